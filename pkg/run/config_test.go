package run

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

type kernel struct {
	Name     string
	SigmaMax float64 `toml:"sigma_max"`
}

type base struct {
	Steps int
	Seed  int64
}

type plan struct {
	Base   base
	Rate   float64
	Flags  []bool
	Grid   []kernel
	Limits map[string]float64
	Deep   map[string]kernel
	Secret string `toml:"-"`
	Any    any
	hidden int
}

type embedding struct {
	base2
	Rate float64
}

type base2 struct{ Steps int }

// TestDecodeConfig is row 28 of the list of faults for configurations: what has no place is an error that names the
// nearest key, and nothing is taken over from a text that is refused.
func TestDecodeConfig(t *testing.T) {
	cases := []struct{ name, text, says string }{
		{"misspelt", "rat = 3.0", `unknown key "rat", did you mean "Rate"?`},
		{"swapped letters", "[Base]\nsetps = 3", `unknown key "Base.setps", did you mean "Steps"?`},
		{"tagged", "[[Grid]]\nsigma_mx = 1.0", `unknown key "Grid[0].sigma_mx", did you mean "sigma_max"?`},
		{"second of a list", "Grid = [{Name = 'a'}, {Nam = 'b'}]", `unknown key "Grid[1].Nam", did you mean "Name"?`},
		{"in a map", "[Deep.x]\nname = 'a'\nsigma = 2.0", `unknown key "Deep.x.sigma"`},
		{"far from all", "[Base]\nzzzzzzzz = 1", `want one of Seed, Steps`},
		{"hidden", "Secret = 'a'", `unknown key "Secret"`},
		{"not exported", "hidden = 1", `unknown key "hidden"`},
		{"twice by case", "Rate = 1.0\nrate = 2.0", `keys "Rate" and "rate" mean the same`},
		{"twice", "Rate = 1.0\nRate = 2.0", "Rate"},
		{"text for a number", "[Base]\nSteps = 'many'", `"Base.Steps"): incompatible types: TOML value has type string; destination has type integer`},
		{"fraction for an integer", "[Base]\nSteps = 1.5", `"Base.Steps"): incompatible types: TOML value has type float64; destination has type integer`},
		{"number for a table", "Base = 3", `"Base"`},
		{"table for a number", "[Rate]\nx = 1", `"Rate"`},
		{"table for a list", "[Flags]\nx = true", "Flags"},
		{"too large", "[Base]\nSeed = 9223372036854775808", "9223372036854775808"},
		{"no TOML", "Rate = ", "line 2"},
		{"not UTF-8", "Any = \"\xff\"", "UTF-8"},
		{"long", strings.Repeat("#\n", maxConfig), "more than"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := plan{hidden: 1, Rate: 7, Limits: map[string]float64{"a": 1}}
			want := plan{hidden: 1, Rate: 7, Limits: map[string]float64{"a": 1}}
			err := DecodeConfig([]byte("Limits = {b = 2.0}\n"+c.text), &got)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want an error that says %q", err, c.says)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("the text was refused but left %+v", got)
			}
		})
	}
	for _, into := range []any{nil, plan{}, (*plan)(nil), 3} {
		if DecodeConfig(nil, into) == nil {
			t.Errorf("decoded into %T", into)
		}
	}
	got := plan{Rate: 7, Base: base{Steps: 5, Seed: 1}}
	text := "flags = [true]\nAny = {free = 1}\n[base]\nSTEPS = 6\n[deep.x]\nName = 'n'\n[[grid]]\nsigma_max = 4"
	if err := DecodeConfig([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	want := plan{
		Rate: 7, Base: base{Steps: 6, Seed: 1}, Flags: []bool{true}, Any: map[string]any{"free": int64(1)},
		Deep: map[string]kernel{"x": {Name: "n"}}, Grid: []kernel{{SigmaMax: 4}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	var e embedding
	if err := DecodeConfig([]byte("steps = 2\nrate = 3.0"), &e); err != nil || e.Steps != 2 || e.Rate != 3 {
		t.Errorf("embedded fields: %+v, %v", e, err)
	}
}

// TestEncodeConfig: the bytes depend on the names and values alone, and read back as the same values.
func TestEncodeConfig(t *testing.T) {
	type ab struct{ A, B, C any }
	type ba struct{ C, B, A any }
	inner := map[string]any{"z": int64(1), "a": math.Inf(1), "m": []float64{1e-300, -0.1, 3}}
	first, err := EncodeConfig(ab{inner, "x\n\"y\"", true})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 { // maps iterate in random order
		for _, same := range []any{ba{true, "x\n\"y\"", inner}, map[string]any{"B": "x\n\"y\"", "A": inner, "C": true}, &ab{inner, "x\n\"y\"", true}} {
			if text, err := EncodeConfig(same); err != nil || !bytes.Equal(text, first) {
				t.Fatalf("%v gives\n%s, %v; want\n%s", same, text, err, first)
			}
		}
	}
	if other, _ := EncodeConfig(ab{inner, "x\n\"z\"", true}); bytes.Equal(other, first) {
		t.Error("another value gives the same text")
	}
	want := plan{Base: base{3, -1 << 63}, Rate: 0.1, Grid: []kernel{{"a", 4}}, Limits: map[string]float64{"a b": 1e21}}
	text, err := EncodeConfig(want)
	if err != nil {
		t.Fatal(err)
	}
	var got plan
	if err := DecodeConfig(text, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read back as %+v, %v; want %+v", got, err, want)
	}
	for _, bad := range []any{nil, 3, "x", (*plan)(nil), map[string]any{"f": func() {}}, []int{1}} {
		if text, err := EncodeConfig(bad); err == nil {
			t.Errorf("encoded %T as %q", bad, text)
		}
	}
}

func TestReadConfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.toml")
	var got base
	if err := ReadConfig(path, &got); !os.IsNotExist(unwrapped(err)) {
		t.Errorf("missing: %v", err)
	}
	if err := os.WriteFile(path, []byte("steps = 3"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := ReadConfig(path, &got); err != nil || got.Steps != 3 {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := os.WriteFile(path, []byte("step = 3"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := ReadConfig(path, &got); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), `"Steps"`) {
		t.Errorf("got %v, want the file and the nearest key", err)
	}
}

func unwrapped(err error) error {
	for {
		inner, ok := err.(interface{ Unwrap() error })
		if !ok {
			return err
		}
		if _, ok := err.(*os.PathError); ok {
			return err
		}
		err = inner.Unwrap()
	}
}

// TestDistance: the cost of edits, counted by hand.
func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"steps", "Steps", 0}, {"stpes", "steps", 1}, {"step", "steps", 1}, {"kitten", "sitting", 3}, {"ab", "ba", 1}, {"σmax", "smax", 1}} {
		if got := distance(c.a, c.b); got != c.want || distance(c.b, c.a) != got {
			t.Errorf("distance(%q, %q) = %d, back %d, want %d", c.a, c.b, got, distance(c.b, c.a), c.want)
		}
	}
}

// FuzzDecodeConfig: any text is refused or becomes a config that survives being written and read, to the same bytes.
func FuzzDecodeConfig(f *testing.F) {
	for _, text := range []string{
		"", "rate = 1.0", "Rate = nan", "rate = inf\n[base]\nseed = -9223372036854775808", "[[grid]]\nname='a'\n[[grid]]", "rat = 1",
		"[limits]\n\"\" = 0x1p-1", "[limits]\n'a.b' = 1e400", "any = [[[[[[]]]]]]", "any = {a.b.c.d = 1979-05-27}", "Rate=1\nrate=2", "any = [1, 'a', {}]",
		"base.steps = 1\nbase.seed = 2", "flags = [true, 1]", "\xff", "any = \"\\uD800\"", "deep.a.b.c = 1",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<10 {
			return // long texts only cost time here
		}
		var got plan
		if DecodeConfig(text, &got) != nil {
			return
		}
		first, err := EncodeConfig(got)
		if err != nil {
			return // lists of mixed kinds, say, can be read but not written
		}
		var again plan
		if err := DecodeConfig(first, &again); err != nil {
			t.Fatalf("%q, written as %q, is refused: %v", text, first, err)
		}
		second, err := EncodeConfig(again)
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%q becomes %q, then %q, %v", text, first, second, err)
		}
	})
}
