package docker

import (
	"context"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"go.uber.org/goleak"
)

func itoa(n int) string { return strconv.Itoa(n) }

// inspected is what a daemon answers that did all that it was asked for.
func inspected(p plan) container.InspectResponse {
	host, config := *p.options.HostConfig, *p.options.Config
	return container.InspectResponse{HostConfig: &host, Config: &config}
}

// spoil gives a field another value than it has.
func spoil(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int64, reflect.Int:
		v.SetInt(v.Int() + 1)
	case reflect.Slice:
		if v.Len() > 0 {
			v.Set(v.Slice(1, v.Len()))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("/x"), reflect.New(v.Type().Elem()).Elem())
	case reflect.Pointer:
		fresh := reflect.New(v.Type().Elem())
		if !v.IsNil() {
			fresh.Elem().Set(v.Elem())
		}
		spoil(t, fresh.Elem())
		v.Set(fresh)
	case reflect.Struct:
		spoil(t, v.Field(0))
	default:
		t.Fatalf("no other value for %v", v.Type())
	}
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// contextForCleanup is a context that outlives the test's own.
func contextForCleanup(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
