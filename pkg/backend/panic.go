package backend

import "fmt"

// PanicWithError turns a panic with any value into one with an error; defer it in a function that builds a graph. Only
// the latter become the error of GoMLX's Call; any other leaves the Exec locked, and its Finalize waits forever.
func PanicWithError() {
	switch p := recover().(type) {
	case nil:
	case error:
		panic(p)
	default:
		panic(fmt.Errorf("%v", p))
	}
}
