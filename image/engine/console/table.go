package console

import (
	"slices"
	"strings"

	"github.com/dop251/goja"

	"glovebox/api"
)

// A grid is a table being built: columns of printed cells, by their heads.
type grid struct {
	heads   []string
	columns []map[int]string
	rows    int
}

// cell sets the cell of a row in the column of that head, which is made where it is missing.
func (g *grid) cell(row int, head, text string) {
	i := slices.Index(g.heads, head)
	if i < 0 {
		i = len(g.heads)
		g.heads = append(g.heads, head)
		g.columns = append(g.columns, map[int]string{})
	}
	g.columns[i][row] = text
	g.rows = max(g.rows, row+1)
}

// table logs rows of data as a table; what has no rows it logs as log does.
func (c *Console) table(args []goja.Value) {
	if len(args) == 0 {
		c.write(api.LevelLog, []goja.Value{goja.Undefined()})
		return
	}
	var only []string
	if len(args) > 1 && !goja.IsUndefined(args[1]) {
		list, ok := args[1].(*goja.Object)
		if ok {
			list = c.reader.bare(list)
		}
		if !ok || list == nil || list.ClassName() != "Array" {
			panic(c.rt.NewTypeError("The \"properties\" argument must be an instance of Array."))
		}
		for i := range min(int(c.reader.own(list, key{text: "length"}).value.ToInteger()), 1000) {
			only = append(only, stringOf(c.reader.own(list, key{text: itoa(i)}).value, maxLabelUnits))
		}
		only = slices.Compact(only)
	}
	o, ok := args[0].(*goja.Object)
	if ok {
		o = c.reader.bare(o)
	}
	if !ok || o == nil || c.reader.isFunction(o) {
		c.write(api.LevelLog, args[:1])
		return
	}
	b := newBudget(c.opts.MaxMessageBytes)
	t := tabulator{c: c, budget: b}
	t.p = printer{reader: c.reader, budget: b, settings: defaults(),
		names: map[*goja.Object]string{}, tags: map[*goja.Object]string{}, errorStack: c.opts.ErrorStack}
	switch k := c.reader.kindOf(o); k {
	case kindMap, kindSet:
		t.collection(o, k)
	default:
		t.rows(o, only, len(args) > 1 && !goja.IsUndefined(args[1]))
	}
	c.emit(api.LevelLog, b, t.grid.render(b))
}

type tabulator struct {
	c *Console
	*budget
	p    printer
	grid grid
}

// inspect prints a cell: no level inside, on one line, at most three elements of a list.
func (t *tabulator) inspect(v goja.Value) string {
	s := defaults()
	s.depth, s.maxArrayLength, s.breakLength = 0, 3, unlimited
	if o, ok := v.(*goja.Object); ok {
		if o = t.c.reader.bare(o); o != nil && !t.c.reader.isFunction(o) {
			switch t.c.reader.kindOf(o) {
			case kindArray, kindSparseArray, kindTypedArray:
			default:
				if len(t.c.reader.keys(o, false, 1000)) > 2+len(t.c.reader.symbolKeys(o, false)) {
					s.depth = -1
				}
			}
		}
	}
	t.p.settings, t.p.circular, t.p.deepest = s, nil, 0
	return t.p.value(v, 0)
}

func (t *tabulator) collection(o *goja.Object, k kind) {
	const index = "(iteration index)"
	t.grid.heads = []string{index}
	t.grid.columns = []map[int]string{{}}
	if k == kindMap {
		t.grid.heads = append(t.grid.heads, "Key")
		t.grid.columns = append(t.grid.columns, map[int]string{})
	}
	t.grid.heads = append(t.grid.heads, "Values")
	t.grid.columns = append(t.grid.columns, map[int]string{})
	row := 0
	t.p.each(o, k, func(key, value goja.Value) bool {
		t.grid.cell(row, index, t.take(itoa(row)))
		if k == kindMap {
			t.grid.cell(row, "Key", t.inspect(key))
		}
		t.grid.cell(row, "Values", t.inspect(value))
		row++
		return !t.full
	})
}

func (t *tabulator) rows(o *goja.Object, only []string, restricted bool) {
	const index = "(index)"
	r := t.c.reader
	t.grid.heads, t.grid.columns = []string{index}, []map[int]string{{}}
	primitives := map[int]string{}
	for row, k := range t.rowKeys(o) {
		if !t.step() {
			break
		}
		t.grid.cell(row, index, t.take(k.text))
		pr := r.own(o, k)
		item, isObj := pr.value.(*goja.Object)
		if isObj {
			if item = r.bare(item); item == nil {
				isObj = false
			}
		}
		switch {
		case isObj && restricted:
			for _, name := range only {
				t.member(row, item, key{text: name})
			}
		case isObj:
			for _, k := range r.keys(item, false, 1000) {
				if k.symbol == nil {
					t.member(row, item, k)
				}
			}
		case restricted:
			for _, name := range only {
				t.grid.cell(row, name, "")
			}
		default:
			primitives[row] = t.cellOf(pr)
		}
	}
	if len(primitives) > 0 {
		t.grid.heads = append(t.grid.heads, "Values")
		t.grid.columns = append(t.grid.columns, primitives)
	}
}

// rowKeys lists the keys that are rows. Of a long array, no more than could be printed.
func (t *tabulator) rowKeys(o *goja.Object) (list []key) {
	r := t.c.reader
	switch k := r.kindOf(o); k {
	case kindArray, kindSparseArray, kindTypedArray:
		n := t.p.lengthOf(o, k)
		for i := 0; i < n && len(list) < t.limit/8 && t.step(); i++ {
			if t.p.element(o, i).exists {
				list = append(list, key{text: itoa(i)})
			} else if i = t.p.nextElement(o, i+1, n); i < n {
				list = append(list, key{text: itoa(i)})
			}
		}
		return append(list, r.extraKeys(o, false, t.limit/8)...)
	}
	return slices.DeleteFunc(r.keys(o, false, t.limit/8), func(k key) bool { return k.symbol != nil })
}

func (t *tabulator) member(row int, item *goja.Object, k key) {
	pr := t.c.reader.own(item, k)
	if !pr.exists {
		t.grid.cell(row, k.text, "")
		return
	}
	t.grid.cell(row, k.text, t.cellOf(pr))
}

// cellOf prints a property; a getter stays unread.
func (t *tabulator) cellOf(pr prop) string {
	if pr.accessor() {
		return t.take("[Getter]")
	}
	return t.inspect(pr.value)
}

// render draws the table with lines around its cells.
func (g *grid) render(b *budget) string {
	widths := make([]int, len(g.heads))
	for i, head := range g.heads {
		widths[i] = displayWidth(head)
		for _, text := range g.columns[i] {
			widths[i] = max(widths[i], displayWidth(text))
		}
	}
	var out strings.Builder
	line := func(left, middle, right string) {
		for _, w := range widths {
			out.WriteString(left)
			out.WriteString(strings.Repeat("─", min(w+2, b.limit)))
			left = middle
		}
		out.WriteString(right)
	}
	row := func(cell func(i int) string) {
		left := "│ "
		for i, w := range widths {
			text := cell(i)
			out.WriteString(left)
			out.WriteString(text)
			out.WriteString(spaces(w - displayWidth(text)))
			left = " │ "
		}
		out.WriteString(" │\n")
	}
	line("┌", "┬", "┐\n")
	row(func(i int) string { return g.heads[i] })
	line("├", "┼", "┤\n")
	for r := 0; r < g.rows; r++ {
		if out.Len() > b.limit {
			b.full = true
			break
		}
		row(func(i int) string { return g.columns[i][r] })
	}
	line("└", "┴", "┘")
	return out.String()
}
