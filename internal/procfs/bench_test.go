package procfs

import "testing"

// BenchmarkRead reads all that is told of this process.
func BenchmarkRead(b *testing.B) {
	for b.Loop() {
		if _, err := Read(Self); err != nil {
			b.Fatal(err)
		}
	}
}
