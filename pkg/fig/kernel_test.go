//go:build unix

package fig

import (
	"bytes"
	"encoding/gob"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/janpfeifer/gonb/gonbui"
	"github.com/janpfeifer/gonb/gonbui/protocol"
)

// TestCell is the cell that TestInKernel runs in a process of its own, as GoNB does.
func TestCell(t *testing.T) {
	if !gonbui.IsNotebook {
		t.Skip("runs as a child of TestInKernel")
	}
	nb := Open("cell")
	nb.Begin()
	nb.Show("cross", Scatter("cross", corners), 3, 3)
	Table([]string{"a"}, [][]string{{"<b>"}})
	Markdown("*c*\n")
	report := Progress("slow <work>")
	report(0, 10, "")
	time.Sleep(600 * time.Millisecond)
	report(1, 10, "loss & more")
	report(10, 10, "")
	nb.Check(Check{ID: "1", What: "w", Op: "<=", N: 1})
	nb.Verdict()
}

// TestInKernel plays the GoNB kernel: it reads what a cell displays and acknowledges each Sync.
func TestInKernel(t *testing.T) {
	dir := t.TempDir()
	out, back := filepath.Join(dir, "out"), filepath.Join(dir, "back")
	for _, pipe := range []string{out, back} {
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
			t.Skipf("no named pipes here: %v", err)
		}
	}
	cell := exec.Command(os.Args[0], "-test.run=^TestCell$", "-test.timeout=60s")
	cell.Env = append(os.Environ(), protocol.GONB_PIPE_ENV+"="+out, protocol.GONB_PIPE_BACK_ENV+"="+back,
		protocol.GONB_TMP_DIR_ENV+"="+dir, "SCORESDE_RESULTS="+dir, "SCORESDE_BUDGET=full")
	var log bytes.Buffer
	cell.Stdout, cell.Stderr = &log, &log
	if err := cell.Start(); err != nil {
		t.Fatal(err)
	}
	shown := make(chan []string, 1)
	go func() { shown <- playKernel(out, back) }()
	if err := cell.Wait(); err != nil {
		t.Fatalf("cell: %v\n%s", err, log.String())
	}
	png, err := os.ReadFile(filepath.Join(dir, "cell", "cross.png"))
	if err != nil {
		t.Fatal(err)
	}
	const head = `<progress value="1" max="10"></progress> <span style="font-family: monospace">slow &lt;work&gt; 10% (1 of 10) · `
	want := []string{
		"image/png " + string(png), "sync",
		"text/markdown | a |\n|---|\n| &lt;b> |\n", "sync",
		"text/markdown *c*\n", "sync",
		"text/html " + head + "… left · loss &amp; more</span>",
		"text/html ", "sync",
		"text/markdown | item | what | exact | measured | bound | pass |\n|---|---|---|---|---|---|\n| 1 | w | – | 0 | ≤ 0 | yes |\n\n1 of 1 checks pass; budget full, … s.\n",
		"sync",
	}
	got := <-shown
	if len(got) != len(want) {
		t.Fatalf("the cell shows %d things, want %d: %.200q", len(got), len(want), got)
	}
	for i, w := range want {
		start, end, _ := strings.Cut(w, "…") // stands for a time
		if !strings.HasPrefix(got[i], start) || !strings.HasSuffix(got[i], end) || !strings.Contains(w, "…") && got[i] != w {
			t.Errorf("display %d is %.300q, want %.300q", i, got[i], w)
		}
	}
}

// playKernel returns what arrives, as "<mime type> <content>" or "sync", until the cell ends.
func playKernel(out, back string) (shown []string) {
	r, err := os.Open(out)
	if err != nil {
		return []string{err.Error()}
	}
	defer r.Close()
	w, err := os.OpenFile(back, os.O_WRONLY, 0)
	if err != nil {
		return []string{err.Error()}
	}
	defer w.Close()
	in, acks := gob.NewDecoder(r), gob.NewEncoder(w)
	for {
		var d protocol.DisplayData
		if err := in.Decode(&d); err != nil {
			return shown
		}
		for mime, content := range d.Data {
			switch c := content.(type) {
			case string:
				shown = append(shown, string(mime)+" "+c)
			case []byte:
				shown = append(shown, string(mime)+" "+string(c))
			case protocol.CommValue:
				shown = append(shown, "sync")
				if err := acks.Encode(&protocol.CommValue{Address: protocol.GonbuiSyncAckAddress, Value: c.Value}); err != nil {
					return append(shown, err.Error())
				}
			}
		}
	}
}
