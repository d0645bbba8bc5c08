package fig

import (
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
)

// linearTicks puts 3 to 7 labelled ticks at multiples of 1, 2 or 5 times a power of ten.
type linearTicks struct{}

func (linearTicks) Ticks(lo, hi float64) []plot.Tick {
	step := niceStep((hi - lo) / 5)
	decimals := max(0, -int(math.Floor(math.Log10(step)+1e-9)))
	var ticks []plot.Tick
	for k := math.Ceil(lo/step - 1e-9); k*step <= hi+1e-9*step; k++ {
		v := k * step
		label := strconv.FormatFloat(v, 'f', decimals, 64)
		if k == 0 {
			label = "0"
		}
		if math.Abs(v) >= 1e6 || decimals > 5 {
			label = shortNumber(v)
		}
		ticks = append(ticks, plot.Tick{Value: v, Label: minus(label)})
	}
	return ticks
}

// niceStep is the member of {1, 2, 5} x 10^k nearest to s in ratio.
func niceStep(s float64) float64 {
	scale := math.Pow(10, math.Floor(math.Log10(s)))
	switch f := s / scale; {
	case f < math.Sqrt2:
		return scale
	case f < math.Sqrt(10):
		return 2 * scale
	case f < math.Sqrt(50):
		return 5 * scale
	}
	return 10 * scale
}

// logTicks labels powers of ten (over less than two decades also 2 and 5 times one) and marks the multiples between.
type logTicks struct{}

func (logTicks) Ticks(lo, hi float64) []plot.Tick {
	first, last := math.Floor(math.Log10(lo)+1e-9), math.Ceil(math.Log10(hi)-1e-9)
	every := max(1, math.Ceil((last-first)/6))
	narrow := math.Log10(hi/lo) < 2
	var ticks []plot.Tick
	for e := first; e <= last; e++ {
		for m := 1.0; m < 10; m++ {
			t := plot.Tick{Value: m * math.Pow(10, e)}
			if m == 1 && math.Mod(e-first, every) == 0 || narrow && (m == 2 || m == 5) {
				t.Label = minus(shortNumber(t.Value))
			}
			if every == 1 || m == 1 {
				ticks = append(ticks, t)
			}
		}
	}
	return ticks
}

// shortNumber is v to at most four digits, with an exponent below 1e-3 and from 1e5 on.
func shortNumber(v float64) string {
	mantissa, exp, _ := strings.Cut(strconv.FormatFloat(v, 'e', 3, 64), "e")
	mantissa = strings.TrimSuffix(strings.TrimRight(mantissa, "0"), ".")
	e, _ := strconv.Atoi(exp)
	if e < -3 || e >= 5 {
		return mantissa + "e" + strconv.Itoa(e)
	}
	rounded, _ := strconv.ParseFloat(mantissa+"e"+exp, 64)
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

// minus writes negative numbers with a minus sign instead of a hyphen.
func minus(label string) string { return strings.ReplaceAll(label, "-", "−") }
