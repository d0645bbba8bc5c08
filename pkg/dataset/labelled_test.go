package dataset

import (
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// numbered has n rows (i, -i) with label i.
func numbered(n int) Labelled {
	l := Labelled{X: mat.NewDense(n, 2, nil)}
	for i := range n {
		l.X.SetRow(i, []float64{float64(i), -float64(i)})
		l.Labels = append(l.Labels, i)
	}
	return l
}

// TestSplit: the parts hold every row once, with its label; the seed decides which, and the data stay as they are.
func TestSplit(t *testing.T) {
	all := numbered(50)
	a, b, err := all.Split(30, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Labels) != 30 || len(b.Labels) != 20 {
		t.Fatalf("parts of %d and %d, want 30 and 20", len(a.Labels), len(b.Labels))
	}
	for _, part := range []Labelled{a, b} {
		for i, y := range part.Labels {
			if part.X.At(i, 0) != float64(y) || part.X.At(i, 1) != -float64(y) {
				t.Errorf("row %d is %v with label %d", i, part.X.RawRowView(i), y)
			}
		}
	}
	union := slices.Concat(a.Labels, b.Labels)
	if slices.IsSorted(union) {
		t.Error("nothing was shuffled")
	}
	slices.Sort(union)
	if !slices.Equal(union, all.Labels) {
		t.Errorf("the parts hold %v", union)
	}
	again, _, _ := all.Split(30, 1)
	other, _, _ := all.Split(30, 2)
	if !slices.Equal(a.Labels, again.Labels) || slices.Equal(a.Labels, other.Labels) {
		t.Error("want the seed, and only it, to decide")
	}
	a.X.Set(0, 0, 1e9)
	if mat.Max(all.X) == 1e9 {
		t.Error("the parts share memory with the whole")
	}
	for _, n := range []int{-1, 0, 50, 51} {
		if _, _, err := all.Split(n, 1); err == nil {
			t.Errorf("%d of 50 rows were split off", n)
		}
	}
}
