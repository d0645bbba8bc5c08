package dataset

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"

	"gonum.org/v1/gonum/mat"
)

// Sides and ranges of Digits.
const (
	DigitsSide   = 8  // pixels of an edge
	DigitsLevels = 17 // values 0..16 of a pixel
)

const (
	digitsPixels  = DigitsSide * DigitsSide
	digitsClasses = 10
)

var digits = file{
	name: "digits/optdigits.csv.gz",
	sum:  "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22",
}

// Digits returns 1797 handwritten digits: X is [1797, 64], integers 0..16 of 8 x 8 pixels row by row, and the labels are
// the digits 0..9 (Alpaydin and Kaynak 1998, UCI Machine Learning Repository, DOI 10.24432/C50P49; the test part). It
// reads data/digits under run.Root and returns an error if the file is missing or is not the published one.
func Digits() (Labelled, error) {
	r, err := digits.open()
	if err != nil {
		return Labelled{}, err
	}
	l, err := readDigits(r)
	if err != nil {
		return Labelled{}, fmt.Errorf("dataset: %s: %w", digits.name, err)
	}
	return l, nil
}

// readDigits reads rows of pixels and a class, separated by commas.
func readDigits(r io.Reader) (Labelled, error) {
	rows := csv.NewReader(r)
	rows.FieldsPerRecord = digitsPixels + 1
	rows.ReuseRecord = true
	var pixels []float64
	var labels []int
	for {
		fields, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Labelled{}, err // names the line
		}
		for k, field := range fields {
			levels := DigitsLevels
			if k == digitsPixels {
				levels = digitsClasses
			}
			v, err := strconv.Atoi(field)
			if err != nil || v < 0 || v >= levels {
				line, _ := rows.FieldPos(k)
				return Labelled{}, fmt.Errorf("line %d, column %d is %q, want an integer in 0..%d", line, k+1, field, levels-1)
			}
			if k < digitsPixels {
				pixels = append(pixels, float64(v))
			} else {
				labels = append(labels, v)
			}
		}
	}
	if len(labels) == 0 {
		return Labelled{}, errors.New("no rows")
	}
	return Labelled{mat.NewDense(len(labels), digitsPixels, pixels), labels}, nil
}
