// Package planted shows that the searches of the machines see: the proxy's simulation and the lease's explorer. It
// builds their packages again and again, each time with one mistake more, and the search has to find every one. The
// mistakes are replacements of lines, made in a copy that the compiler gets in place of the file: nothing in the
// product knows of them.
package planted
