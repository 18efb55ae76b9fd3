// Package planted shows that the proxy's simulation sees: it builds the proxy again and again, each time with one mistake
// more, and the simulation has to find every one. The mistakes are replacements of lines, made in a copy that the
// compiler gets in place of the file: nothing in the product knows of them.
package planted
