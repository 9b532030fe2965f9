package console

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dop251/goja"

	"glovebox/api"
)

// maxLabels is how many labels of count and of time a console keeps: they are the one state of it
// that a script can make grow.
const maxLabels = 10000

// maxLabelUnits is how long a label may be; a longer one is cut.
const maxLabelUnits = 1024

// label converts the first argument to a label, as the language does.
func (c *Console) label(args []goja.Value) string {
	if len(args) == 0 || goja.IsUndefined(args[0]) {
		return "default"
	}
	switch v := args[0].(type) {
	case *goja.Symbol:
		panic(c.rt.NewTypeError("Cannot convert a Symbol value to a string"))
	case *goja.Object:
		s := c.converted(v)
		return s[:cutAt(s, maxLabelUnits)]
	}
	return stringOf(args[0], maxLabelUnits)
}

// say logs a text of the console's own.
func (c *Console) say(level api.LogLevel, text string) {
	b := newBudget(c.opts.MaxMessageBytes)
	c.emit(level, b, b.take(text))
}

func (c *Console) count(args []goja.Value) {
	label := c.label(args)
	if _, known := c.counts[label]; !known && len(c.counts) >= maxLabels {
		c.say(api.LevelWarn, "console.count() keeps "+itoa(maxLabels)+" labels: '"+label+"' is not counted")
		return
	}
	c.counts[label]++
	c.say(api.LevelLog, label+": "+itoa(c.counts[label]))
}

func (c *Console) countReset(args []goja.Value) {
	label := c.label(args)
	if _, known := c.counts[label]; !known {
		c.say(api.LevelWarn, "Count for '"+label+"' does not exist")
		return
	}
	delete(c.counts, label)
}

func (c *Console) time(args []goja.Value) {
	label := c.label(args)
	if _, known := c.timers[label]; known {
		c.say(api.LevelWarn, "Label '"+label+"' already exists for console.time()")
		return
	}
	if len(c.timers) >= maxLabels {
		c.say(api.LevelWarn, "console.time() keeps "+itoa(maxLabels)+" labels: '"+label+"' is not timed")
		return
	}
	c.timers[label] = c.opts.Now()
}

func (c *Console) timeEnd(args []goja.Value) {
	label := c.label(args)
	if c.elapsed("timeEnd", label, nil) {
		delete(c.timers, label)
	}
}

func (c *Console) timeLog(args []goja.Value) {
	label := c.label(args)
	if len(args) > 0 {
		args = args[1:]
	}
	c.elapsed("timeLog", label, args)
}

// elapsed logs how long the label's timer has run, and reports whether there is one.
func (c *Console) elapsed(method, label string, data []goja.Value) bool {
	start, known := c.timers[label]
	if !known {
		c.say(api.LevelWarn, "No such label '"+label+"' for console."+method+"()")
		return false
	}
	b := newBudget(c.opts.MaxMessageBytes)
	text := b.take(label + ": " + durationText(c.opts.Now().Sub(start)))
	for _, v := range data {
		text += b.take(" ")
		if s, ok := asString(v); ok {
			text += b.take(stringOf(s, b.bytes+1))
		} else {
			text += c.print(b, v, defaults())
		}
	}
	c.emit(api.LevelLog, b, text)
	return true
}

// durationText writes a duration as Node's console.time does: 1.234ms, 1.234s, 1:02.345 (m:ss.mmm).
func durationText(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case d < time.Second:
		return strconv.FormatFloat(math.Round(ms*1000)/1000, 'f', -1, 64) + "ms"
	case d < time.Minute:
		return strconv.FormatFloat(ms/1000, 'f', 3, 64) + "s"
	}
	hours, minutes := d/time.Hour, d%time.Hour/time.Minute
	seconds := strconv.FormatFloat(float64(d%time.Minute)/float64(time.Second), 'f', 3, 64)
	if len(seconds) < len("00.000") {
		seconds = "0" + seconds
	}
	if hours == 0 {
		return strconv.Itoa(int(minutes)) + ":" + seconds + " (m:ss.mmm)"
	}
	two := strconv.Itoa(int(minutes))
	if minutes < 10 {
		two = "0" + two
	}
	return strconv.Itoa(int(hours)) + ":" + two + ":" + seconds + " (h:mm:ss.mmm)"
}

// indented puts n columns before each line of a text, as long as that fits the limit about.
func indented(text string, n, limit int) string {
	pad := spaces(min(n, limit))
	var b strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(pad)
		b.WriteString(line)
		if b.Len() > limit {
			break
		}
	}
	return b.String()
}
