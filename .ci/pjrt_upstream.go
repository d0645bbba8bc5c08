// Fetches the CPU plugin that go-xla was tested with, newer than the one of requirements.txt, into the folder given
// (`make setup PJRT=upstream`). It is the only program here that downloads a binary from outside the package registries.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/gomlx/go-xla/installer"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: pjrt_upstream <library folder>")
		os.Exit(2)
	}
	lib, err := filepath.Abs(os.Args[1])
	if err == nil {
		// The installer caches downloads in the user's cache folder unless told not to.
		err = installer.AutoInstallPlugin("cpu", lib, false, installer.Quiet)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "no upstream XLA plugin (the one of requirements.txt stays in use): %.200v\n", err)
		os.Exit(1)
	}
	fmt.Println("== XLA CPU plugin of go-xla ->", filepath.Join(os.Args[1], "go-xla"))
}
