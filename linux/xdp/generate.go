package xdp

// The object files are committed; clang 14 with libbpf's headers (Debian: clang llvm libbpf-dev)
// rebuilds them. A test compares them with the source.
//
//go:generate go tool bpf2go -cc clang -go-package xdp -no-global-types -cflags "-O2 -g -Wall -Werror -mcpu=v3 -idirafter /usr/include/x86_64-linux-gnu -idirafter /usr/include/aarch64-linux-gnu" -target bpfel,bpfeb program bpf/plane.c
//go:generate go tool bpf2go -cc clang -go-package xdp -no-global-types -cflags "-O2 -g -Wall -Werror -mcpu=v3 -idirafter /usr/include/x86_64-linux-gnu -idirafter /usr/include/aarch64-linux-gnu" -target bpfel,bpfeb unwrap bpf/unwrap.c
