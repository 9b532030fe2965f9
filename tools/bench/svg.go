package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strings"
)

// The picture's measures, in pixels, and the ends of its logarithmic scale.
const (
	svgWidth   = 1080
	svgLabels  = 470 // the width of the labels
	svgValues  = 230 // the width of the values behind the bars
	svgLine    = 18
	svgTop     = 74
	svgLeast   = 0.05
	svgMost    = 100
	svgBarArea = svgWidth - svgLabels - svgValues
)

// A bar is one line of the picture. Its length is the share of its goal that is used, or a bare ratio.
type bar struct {
	label, value string
	length       float64
	colour       string
}

const (
	colourMet    = "#2e7d32"
	colourMissed = "#c62828"
	colourFree   = "#78909c" // no goal
)

func (r report) bars() (bars []bar) {
	for _, row := range r.Rows {
		for _, f := range row.Figures {
			b := bar{label: strings.Join([]string{row.What, row.Target, f.Name}, " · ")}
			if share, ok := f.used(); ok {
				b.length, b.colour = share, colourMissed
				if *f.Met {
					b.colour = colourMet
				}
				value := f.oursText()
				if f.Goal.OfRatio {
					value = f.ratioText()
				}
				b.value = value + ", goal " + f.goalText()
			} else if f.Ratio != nil {
				b.length, b.colour, b.value = *f.Ratio, colourFree, f.ratioText()+" of "+f.PeerName
			} else {
				continue
			}
			bars = append(bars, b)
		}
	}
	return bars
}

// across places a share on the scale, in pixels from the left.
func across(share float64) float64 {
	share = min(max(share, svgLeast), svgMost)
	return svgLabels + svgBarArea*math.Log(share/svgLeast)/math.Log(svgMost/svgLeast)
}

// writeSVG draws how much of each goal is used: a bar that stays left of the line is a goal that is met.
func (r report) writeSVG(w io.Writer) error {
	bars := r.bars()
	height := svgTop + svgLine*len(bars) + 30
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="sans-serif" font-size="11">`+"\n", svgWidth, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", svgWidth, height)
	text := func(x float64, y int, anchor, style, s string) {
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="%s" %s>`, x, y, anchor, style)
		_ = xml.EscapeText(&b, []byte(s)) // a builder takes everything
		b.WriteString("</text>\n")
	}
	text(10, 20, "start", `font-size="15" font-weight="bold"`, "Glovebox: what each goal leaves, and what is used of it ("+r.tally()+")")
	text(10, 38, "start", `fill="#555555"`, fmt.Sprintf("%s, %d cores, Linux %s, %s", r.Machine.CPU, r.Machine.Cores, r.Machine.Kernel, r.Began.Format("2006-01-02")))
	text(10, 54, "start", `fill="#555555"`, "A bar that ends left of the line is a goal that is met (green). Grey bars have no goal: theirs is the ratio to the peer. The scale is logarithmic.")
	bottom := svgTop + svgLine*len(bars) + 4
	for _, tick := range []float64{0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50} {
		colour, width := "#dddddd", 1
		if tick == 1 {
			colour, width = "#000000", 2
		}
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="%s" stroke-width="%d"/>`+"\n", across(tick), svgTop-6, across(tick), bottom, colour, width)
		text(across(tick), bottom+14, "middle", `fill="#555555"`, number(tick))
	}
	for i, bar := range bars {
		y := svgTop + svgLine*i
		text(svgLabels-8, y+11, "end", "", cut(bar.label, 74))
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", svgLabels, y+1, across(bar.length)-svgLabels, svgLine-5, bar.colour)
		text(svgLabels+svgBarArea+8, y+11, "start", "", bar.value)
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// cut shortens a text to so many letters.
func cut(s string, most int) string {
	if letters := []rune(s); len(letters) > most {
		return string(letters[:most-1]) + "…"
	}
	return s
}
