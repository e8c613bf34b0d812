//go:build !linux

package main

import "syscall"

// attributes puts the program in a group of its own; only Linux has a parent-death signal.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
