//go:build !linux

package main

import (
	"os"
	"syscall"
)

// attributes puts the program in a group of its own; only Linux has a parent-death signal.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// largest is not told: systems count resident sets in different units.
func largest(*os.ProcessState) int64 { return 0 }
