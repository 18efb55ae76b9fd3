//go:build !ipvsguest

package ipvs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// meta is the package whose dependency is Debian's current kernel for virtual machines.
const meta = "linux-image-cloud-amd64"

// modules the guest may load; what they depend on comes along.
var modules = []string{"ip_vs", "ip_vs_rr", "ip_vs_wrr", "ip_vs_lc", "ip_vs_wlc", "ip_vs_sh", "ip_vs_mh", "ip_vs_sed",
	"ip_vs_nq",
	"ip_vs_fo", "ip_vs_ovf", "ip_vs_dh", "ip_vs_lblc", "ip_vs_lblcr", "ip_vs_pe_sip", "veth", "bridge", "ipip",
	"ip6_tunnel",
	"fou", "fou6", "xfrm_user", "nf_tables", "dummy", "macvlan", "nft_chain_nat", "nft_ct", "sch_netem", "sch_ingress",
	"cls_bpf", "pktgen"}

// A kernel is an unpacked kernel package.
type kernel struct {
	dir     string
	version string // of its modules, as uname -r says
}

func (k kernel) image() string { return filepath.Join(k.dir, "boot", "vmlinuz-"+k.version) }

// findKernel returns the kernel of the cache, or downloads Debian's into it.
func findKernel() (kernel, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = filepath.Join("..", "..", "bin")
	}
	cache = filepath.Join(cache, "evenkeel", "ipvs-guest")
	if k, err := openKernel(cache); err == nil {
		return k, nil
	}
	if err := os.MkdirAll(filepath.Dir(cache), 0o755); err != nil {
		return kernel{}, err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(cache), "download")
	if err != nil {
		return kernel{}, err
	}
	defer os.RemoveAll(tmp)
	if err := download(tmp); err != nil {
		return kernel{}, err
	}
	if _, err := openKernel(filepath.Join(tmp, "unpacked")); err != nil {
		return kernel{}, err
	}
	os.RemoveAll(cache) // an incomplete one
	if err := os.Rename(filepath.Join(tmp, "unpacked"), cache); err != nil && !os.IsExist(err) {
		return kernel{}, err
	}
	return openKernel(cache)
}

func openKernel(dir string) (kernel, error) {
	found, err := filepath.Glob(filepath.Join(dir, "boot", "vmlinuz-*"))
	if err != nil || len(found) != 1 {
		return kernel{}, fmt.Errorf("%d kernels in %s", len(found), dir)
	}
	k := kernel{dir, strings.TrimPrefix(filepath.Base(found[0]), "vmlinuz-")}
	_, err = os.Stat(filepath.Join(dir, "lib", "modules", k.version, "modules.dep"))
	return k, err
}

// download unpacks the kernel that meta depends on; nothing is installed.
func download(tmp string) error {
	os.Chmod(tmp, 0o755)
	name, err := dependency()
	if err != nil {
		return err
	}
	if _, err := run(tmp, "apt-get", "-q", "download", name); err != nil {
		return err
	}
	debs, _ := filepath.Glob(filepath.Join(tmp, "*.deb"))
	if len(debs) != 1 {
		return fmt.Errorf("apt-get download %s left %d packages", name, len(debs))
	}
	dir := filepath.Join(tmp, "unpacked")
	if _, err := run(tmp, "dpkg", "-x", debs[0], dir); err != nil {
		return err
	}
	found, err := filepath.Glob(filepath.Join(dir, "boot", "vmlinuz-*"))
	if err != nil || len(found) != 1 {
		return fmt.Errorf("%s has %d kernels", name, len(found))
	}
	_, err = run(tmp, "depmod", "-b", dir, strings.TrimPrefix(filepath.Base(found[0]), "vmlinuz-"))
	return err
}

var dependsOn = regexp.MustCompile(`Depends: (linux-image-\S+)`)

func dependency() (string, error) {
	for try := 0; ; try++ {
		out, err := run(".", "apt-cache", "depends", meta)
		if m := dependsOn.FindStringSubmatch(out); err == nil && m != nil {
			return m[1], nil
		}
		if try == 1 {
			return "", fmt.Errorf("apt knows no %s: %v\n%s", meta, err, out)
		}
		if out, err := run(".", "apt-get", "-q", "update"); err != nil {
			return "", fmt.Errorf("%w\n%s", err, out)
		}
	}
}

// addModules puts the modules with their dependencies and fresh indexes into the file system.
func (k kernel) addModules(r *initramfs, tmp string) error {
	stage := filepath.Join(tmp, "modules")
	for _, m := range modules {
		out, err := run(".", "modprobe", "-d", k.dir, "-S", k.version, "--show-depends", m)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		for line := range strings.Lines(out) {
			f := strings.Fields(line)
			if len(f) < 2 || f[0] != "insmod" {
				continue
			}
			rel, err := filepath.Rel(k.dir, f[1])
			if err != nil {
				return err
			}
			to := filepath.Join(stage, rel)
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				return err
			}
			data, err := os.ReadFile(f[1])
			if err != nil {
				return err
			}
			if err := os.WriteFile(to, data, 0o644); err != nil {
				return err
			}
		}
	}
	for _, name := range []string{"modules.order", "modules.builtin", "modules.builtin.modinfo"} {
		rel := filepath.Join("lib", "modules", k.version, name)
		data, err := os.ReadFile(filepath.Join(k.dir, rel))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(stage, rel), data, 0o644); err != nil {
			return err
		}
	}
	if out, err := run(".", "depmod", "-b", stage, k.version); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return r.tree(filepath.Join(stage, "lib"), "/lib")
}

func run(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	if path, err := exec.LookPath(filepath.Join("/usr/sbin", name)); cmd.Err != nil && err == nil {
		cmd.Path, cmd.Err = path, nil
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return string(out), err
}
