package oci

import (
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"glovebox/internal/sandbox"
)

// A Bundle is what one box's config.json is made from, beside its Spec and limits.
type Bundle struct {
	Kind       sandbox.Kind
	Rootfs     string // the path of its root file system
	CgroupPath string
	IDs        sandbox.IDs
}

// Config returns the config.json that a Driver with root writes for such a box, in a user namespace of its own. It is
// for whoever shows what a box is like without one layer: a Driver itself takes nothing that was changed.
func (b Bundle) Config(spec sandbox.Spec, limits sandbox.Limits) (*specs.Spec, error) {
	groups, err := findHierarchies()
	if err != nil {
		return nil, err
	}
	made := bundle{
		kind: b.Kind, rootfs: b.Rootfs, cgroupPath: b.CgroupPath, ids: b.IDs, userns: true,
		unified: groups.isV2(), swapLimited: groups.swapAccounting(), bounds: boundsOf(spec.Overhead, limits),
	}
	return made.config(spec)
}

// Usage reads the counters of the cgroup that a runtime has made for such a box, until it is removed. A path has one part.
func (b Bundle) Usage() (sandbox.Usage, error) {
	groups, err := findHierarchies()
	if err != nil {
		return sandbox.Usage{}, err
	}
	return group{groups, strings.TrimPrefix(b.CgroupPath, "/")}.usage()
}
