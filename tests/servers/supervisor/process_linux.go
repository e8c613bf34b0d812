package main

import "syscall"

// attributes puts the program in a group of its own, and has the kernel kill it should the supervisor itself be killed.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
