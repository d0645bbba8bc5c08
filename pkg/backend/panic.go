package backend

import "fmt"

// PanicWithError, deferred in a function that builds a graph, turns a panic with any value into one with an error. Only
// those become the error of GoMLX's Call; any other leaves the Exec locked, and its Finalize waits forever.
func PanicWithError() {
	switch p := recover().(type) {
	case nil:
	case error:
		panic(p)
	default:
		panic(fmt.Errorf("%v", p))
	}
}
