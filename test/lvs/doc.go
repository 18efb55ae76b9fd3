// Package lvs tests directors as a whole: the program, run in network namespaces of its own,
// forwards to real servers, checks them, and is killed, reloaded and meddled with meanwhile.
package lvs
