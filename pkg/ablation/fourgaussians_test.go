package ablation

import (
	"slices"
	"testing"
)

// TestReferences: the reference runs differ in what they train, not in their data.
func TestReferences(t *testing.T) {
	_, data := FourGaussians(1000)
	given, same, y := FourGaussiansGiven(1000)
	classifier, again, labels := FourGaussiansClassifier(1000)
	for i := range labels {
		if !slices.Equal(data.RawRowView(i), same.RawRowView(i)) || !slices.Equal(data.RawRowView(i), again.RawRowView(i)) {
			t.Fatalf("row %d of the data differs", i)
		}
		if y.At(i, labels[i]) != 1 {
			t.Fatalf("row %d of the condition is not that of class %d", i, labels[i])
		}
	}
	if err := given.Validate(); err != nil {
		t.Error(err)
	}
	if err := classifier.Validate(); err != nil {
		t.Error(err)
	}
	if given.Steps != 1000 || given.WarmUp != 100 || classifier.Steps != 1000 || classifier.WarmUp != 100 {
		t.Errorf("steps %d and %d, warm-up %d and %d", given.Steps, classifier.Steps, given.WarmUp, classifier.WarmUp)
	}
}
