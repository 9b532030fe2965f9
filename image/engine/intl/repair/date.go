package repair

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/dop251/goja"

	"glovebox/image/engine/web/native"
)

func (h *host) installDate() {
	ctor := h.global("Date")
	proto := h.prototype("Date")
	h.newDate, _ = goja.AssertConstructor(ctor)
	h.getTime = h.callable(proto, "getTime")
	native.Method(h.rt, ctor, "parse", 1, func(call goja.FunctionCall) goja.Value { return h.parse(h.text(call.Argument(0))) })
	native.Method(h.rt, proto, "toISOString", 0, func(call goja.FunctionCall) goja.Value {
		ms := h.millis(call.This)
		if math.IsNaN(ms) {
			h.throw("RangeError", "Invalid time value")
		}
		return h.rt.ToValue(isoString(int64(ms)))
	})
	// goja names the zone by its abbreviation; Node.js by its English name.
	for _, name := range []string{"toString", "toTimeString"} {
		original := h.callable(proto, name)
		native.Method(h.rt, proto, name, 0, func(call goja.FunctionCall) goja.Value {
			v, err := original(call.This)
			check(err)
			if s, ok := strings.CutSuffix(v.String(), "(UTC)"); ok {
				return h.rt.ToValue(s + "(Coordinated Universal Time)")
			}
			return v
		})
	}
	native.Method(h.rt, proto, "getYear", 0, func(call goja.FunctionCall) goja.Value {
		ms := h.millis(call.This)
		if math.IsNaN(ms) {
			return goja.NaN()
		}
		return h.rt.ToValue(time.UnixMilli(int64(ms)).Year() - 1900)
	})
	h.wrap("Date", goja.ProxyTrapConfig{Apply: h.dateString, Construct: h.makeDate})
	setTime, setFullYear := h.callable(proto, "setTime"), h.callable(proto, "setFullYear")
	native.Method(h.rt, proto, "setYear", 1, func(call goja.FunctionCall) goja.Value {
		h.millis(call.This)
		y := call.Argument(0).ToNumber().ToFloat()
		f, arg := setFullYear, h.rt.ToValue(y)
		if math.IsNaN(y) {
			f = setTime
		} else if y = math.Trunc(y); y >= 0 && y <= 99 {
			arg = h.rt.ToValue(y + 1900)
		}
		v, err := f(call.This, arg)
		check(err)
		return v
	})
}

// dateString is Date called as a function: the time that it is.
func (h *host) dateString(*goja.Object, goja.Value, []goja.Value) goja.Value {
	now, err := h.newDate(nil)
	check(err)
	v, err := h.callable(now, "toString")(now)
	check(err)
	return v
}

// makeDate is new Date. A string is read here and not by goja.
func (h *host) makeDate(_ *goja.Object, args []goja.Value, target *goja.Object) *goja.Object {
	if len(args) == 1 {
		v := args[0]
		if obj, ok := v.(*goja.Object); ok && obj.ClassName() != "Date" {
			v = h.primitive(obj)
		}
		if s, ok := v.(goja.String); ok {
			v = h.parse(s)
		}
		args = []goja.Value{v}
	}
	d, err := h.newDate(target, args...)
	check(err)
	return d
}

func (h *host) millis(this goja.Value) float64 {
	v, err := h.getTime(this)
	check(err)
	return v.ToFloat()
}

// isoString writes a time with years of six digits where four do not do.
func isoString(ms int64) string {
	t := time.UnixMilli(ms).UTC()
	rest := t.Format("-01-02T15:04:05.000Z")
	switch y := t.Year(); {
	case y < 0:
		return fmt.Sprintf("-%06d%s", -y, rest)
	case y > 9999:
		return fmt.Sprintf("+%06d%s", y, rest)
	default:
		return fmt.Sprintf("%04d%s", y, rest)
	}
}
