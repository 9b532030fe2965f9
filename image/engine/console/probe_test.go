package console
import ("testing";"time";"github.com/dop251/goja";"fmt")
func TestProbe(t *testing.T){
 for range 3 {
 rt:=goja.New()
 t0:=time.Now()
 lap:=func(n string){ fmt.Println(n, time.Since(t0)); t0=time.Now() }
 for _,n:=range []string{"Object","Map","Set","RegExp","Error","Function","Array","Promise","WeakMap"}{ o:=rt.Get(n).(*goja.Object); o.Get("prototype"); lap(n)}
 rt.Get("Uint8Array").(*goja.Object).Prototype().Get("prototype"); lap("ta")
 rt.Get("DataView").(*goja.Object).Get("prototype"); lap("dv")
 p,_:=goja.Compile("x","(class A { #s; constructor(...a){this.#s=1}; static g(o){return #s in o ? o.#s:undefined} })",true); lap("compile")
 rt.RunProgram(p); lap("run")
 g:=rt.Get("Object").(*goja.Object).Get("getOwnPropertyDescriptor").Export().(func(goja.FunctionCall) goja.Value)
 v,_:=rt.RunString("({a:1})")
 lap("x")
 for range 1000 { d:=g(goja.FunctionCall{Arguments:[]goja.Value{v, rt.ToValue("a")}}).(*goja.Object); d.SetPrototype(nil); d.Get("value"); d.Get("enumerable") }
 lap("1000 desc")
 }
}
