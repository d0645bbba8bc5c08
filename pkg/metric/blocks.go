package metric

import (
	"fmt"
	"math"
)

// BlockErrors shows how the error of a sample mean falls with the number of samples m: it splits x into blocks of m = 16,
// 32, 64, ... values, as long as there are 16 blocks, and returns for each m the root mean square over the blocks of
// (block mean - exact). For independent draws with mean exact that is std/sqrt(m); a bias appears as a floor.
// x needs at least 256 values.
func BlockErrors(x []float64, exact float64) (m, rms []float64, err error) {
	const smallest, blocks = 16, 16
	if err := finite("x", x, smallest*blocks); err != nil {
		return nil, nil, err
	}
	if math.IsNaN(exact) || math.IsInf(exact, 0) {
		return nil, nil, fmt.Errorf("metric: exact mean is %v, want a finite value", exact)
	}
	for size := smallest; size*blocks <= len(x); size *= 2 {
		var sum float64
		n := len(x) / size
		for i := range n {
			e := total(x[i*size:(i+1)*size])/float64(size) - exact
			sum += e * e
		}
		m, rms = append(m, float64(size)), append(rms, math.Sqrt(sum/float64(n)))
	}
	return m, rms, nil
}
