package noise

import (
	. "github.com/gomlx/gomlx/core/graph"
)

// Constants of Threefry-2x32: the rotations of eight rounds, and the parity word of its key schedule.
var rotations = [8]uint32{13, 15, 26, 6, 17, 29, 16, 24}

const parity = 0x1BD11BDA

// threefry is the 20-round block function of two uint32 words under a key of two.
func threefry(key, counter [2]*Node) (a, b *Node) {
	schedule := [3]*Node{key[0], key[1], BitwiseXor(BitwiseXor(key[0], key[1]), Const(key[0].Graph(), uint32(parity)))}
	a, b = Add(counter[0], schedule[0]), Add(counter[1], schedule[1])
	for round := range 20 {
		r := rotations[round%8]
		a = Add(a, b)
		b = BitwiseOr(BitwiseShiftLeftScalar(b, r), BitwiseShiftRightLogicalScalar(b, 32-r))
		b = BitwiseXor(a, b)
		if round%4 == 3 {
			s := round/4 + 1
			a = Add(a, schedule[s%3])
			b = Add(b, AddScalar(schedule[(s+1)%3], float64(s)))
		}
	}
	return a, b
}
