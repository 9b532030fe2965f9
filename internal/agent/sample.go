package agent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// sizeOf tells a size in bytes, exactly.
func sizeOf(n int) string {
	if n == 1 {
		return "1 byte"
	}
	return grouped(n) + " bytes"
}

// grouped writes a count with commas.
func grouped(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s,%03d", grouped(n/1000), n%1000)
}

// sample tells of a JSON value what a model needs in order to write code for it, and never more of it than
// [MaxShownShape] and [MaxShownRows] allow: a small one as it is, of a larger one its size, its shape and its
// beginning. The value has passed [Task.Check].
func sample(raw json.RawMessage) string {
	var whole bytes.Buffer
	if len(raw) <= MaxShownInput {
		if err := json.Compact(&whole, raw); err == nil {
			return "The whole of it, " + sizeOf(len(raw)) + ":\n" + whole.String()
		}
	}
	var out strings.Builder
	fmt.Fprintf(&out, "Its size: %s of JSON. Its shape:\n%s\n", sizeOf(len(raw)), cut(shapeOf(raw), MaxShownShape))
	fmt.Fprintf(&out, "Its beginning, with … where something is left out:\n%s", cut(excerpt(raw), MaxShownRows))
	return out.String()
}

// The bounds of an excerpt.
const (
	excerptItems  = 3
	excerptKeys   = 30
	excerptText   = 120 // bytes of a string
	excerptLevels = 6
	excerptBudget = 2 * MaxShownRows
)

// excerpt writes a JSON value with the first items of its arrays, the first members of its objects and the beginnings of
// its strings.
func excerpt(raw json.RawMessage) string {
	var out strings.Builder
	writeExcerpt(&out, raw, 0)
	return out.String()
}

func writeExcerpt(out *strings.Builder, raw json.RawMessage, level int) {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0:
	case raw[0] == '{' || raw[0] == '[':
		if level >= excerptLevels || out.Len() > excerptBudget {
			out.WriteString(string(raw[0]) + "…" + map[byte]string{'{': "}", '[': "]"}[raw[0]])
			return
		}
		writeContainer(out, raw, level)
	case raw[0] == '"' && len(raw) > excerptText:
		out.WriteString(cut(string(raw), excerptText))
	default:
		out.Write(raw)
	}
}

func writeContainer(out *strings.Builder, raw json.RawMessage, level int) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		return
	}
	object, most := raw[0] == '{', excerptItems
	if object {
		most = excerptKeys
	}
	out.WriteByte(raw[0])
	n := 0
	for ; dec.More(); n++ {
		var key json.Token
		if object {
			var err error
			if key, err = dec.Token(); err != nil {
				return
			}
		}
		var item json.RawMessage
		if err := dec.Decode(&item); err != nil {
			return
		}
		if n >= most {
			continue // counted
		}
		if n > 0 {
			out.WriteByte(',')
		}
		if level == 0 && !object {
			out.WriteByte('\n')
		}
		if object {
			out.WriteString(quoteKey(key.(string)) + ":")
		}
		writeExcerpt(out, item, level+1)
	}
	if n > most {
		fmt.Fprintf(out, ", … %s more", grouped(n-most))
	}
	out.WriteString(map[byte]string{'{': "}", '[': "]"}[raw[0]])
}

func quoteKey(key string) string { return strconv.Quote(cut(key, excerptText)) }
