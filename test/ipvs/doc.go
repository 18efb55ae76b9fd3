// Package ipvs tests what drives the kernel's IPVS against a real one: it boots Debian's cloud
// kernel in an emulated machine (qemu's TCG, no KVM) whose only disk is an initramfs with this
// package's tests for the guest, the product, and Debian's ipvsadm and keepalived.
//
// The files named guest_… hold what runs there (build tag ipvsguest); `go test ./test/ipvs` on the
// host builds all of it, boots the machine and shows each test of the guest as one of its own:
//
//	go test -v ./test/ipvs                        # everything
//	go test -v ./test/ipvs -guest 'Listing|Sync'  # some of the guest's tests
//	go test ./test/ipvs -run '^$' -bench Guest    # what a packet costs, by IPVS and by our own plane
//
// Tests of linux/xdp run in it too: the kernel is older than the newest that our own plane may rely on.
//
// The kernel is downloaded from Debian once and kept in the user's cache directory.
package ipvs
