package main

import (
	"os"
	"syscall"
)

// attributes puts the program in a group of its own, and has the kernel kill it should the supervisor itself be killed.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// largest is the largest resident set of a program that has ended, in bytes.
func largest(state *os.ProcessState) int64 {
	usage, known := state.SysUsage().(*syscall.Rusage)
	if !known {
		return 0
	}
	return usage.Maxrss * 1024
}
