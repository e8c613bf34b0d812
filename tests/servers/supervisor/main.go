// Supervisor ties programs and folders to the life of the test process that started it. Tests in Rust have no hook that runs when the
// process ends, and none could run when it is killed; a pipe is closed in every case. So:
//
//	supervisor attend PROGRAM [ARGUMENT...]
//	    runs PROGRAM in a process group of its own, with standard output, standard error and environment handed on. A line `NAME FILE` on
//	    standard input sends the signal NAME to PROGRAM, then makes FILE to say that it is sent. When standard input ends, and when PROGRAM
//	    has ended, the whole group is killed. Exits as PROGRAM did (128+N for signal N).
//	supervisor folder PREFIX
//	    makes a temporary folder, prints its path, and removes it with all content when standard input ends.
//	supervisor measure FILE PROGRAM [ARGUMENT...]
//	    runs PROGRAM with the outputs handed on, and writes to FILE how many nanoseconds it took from its start to its end, and the
//	    largest resident set the kernel saw of it, in bytes (0 where the system does not tell). Exits as PROGRAM did.
//	supervisor key FILE
//	    writes a new EC private key (the API server signs service account tokens with it).
package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// failed is the exit code for a fault of the supervisor itself, as of env and timeout.
const failed = 125

var signals = map[string]syscall.Signal{
	"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "HUP": syscall.SIGHUP,
	"STOP": syscall.SIGSTOP, "CONT": syscall.SIGCONT, "KILL": syscall.SIGKILL,
}

// The kernel's parent-death signal comes when the thread that started the child ends: the main goroutine keeps the main thread.
func init() { runtime.LockOSThread() }

func main() {
	// A test process that died leaves a pipe without a reader: writing to it must not end the supervisor before its work is done.
	// (Handled, not ignored: what is ignored stays so in the program that is attended.)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	if len(os.Args) < 3 {
		fail(errors.New("usage: supervisor attend PROGRAM [ARGUMENT...] | folder PREFIX | measure FILE PROGRAM [ARGUMENT...] | key FILE"))
	}
	switch os.Args[1] {
	case "attend":
		os.Exit(attend(os.Args[2], os.Args[3:]))
	case "folder":
		folder(os.Args[2])
	case "measure":
		if len(os.Args) < 4 {
			fail(errors.New("which program is to be measured?"))
		}
		os.Exit(measure(os.Args[2], os.Args[3], os.Args[4:]))
	case "key":
		key(os.Args[2])
	default:
		fail(fmt.Errorf("unknown verb %q", os.Args[1]))
	}
}

func attend(path string, arguments []string) int {
	over := ending()
	lines := requests(over)
	command := exec.Command(path, arguments...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	command.SysProcAttr = attributes()
	if err := command.Start(); err != nil {
		fail(err)
	}
	program, group := command.Process.Pid, -command.Process.Pid
	exited := make(chan error, 1)
	go func() { exited <- command.Wait() }()
	for {
		select {
		case line := <-lines:
			name, sent, _ := strings.Cut(line, " ")
			_ = syscall.Kill(program, signals[name])
			_ = os.WriteFile(sent, nil, 0o600)
		case <-over:
			_ = syscall.Kill(group, syscall.SIGKILL)
			return code(<-exited)
		case err := <-exited:
			// Whatever the program left behind in its group goes too.
			_ = syscall.Kill(group, syscall.SIGKILL)
			return code(err)
		}
	}
}

func code(err error) int {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		if err != nil {
			fail(err)
		}
		return 0
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}

func measure(file, path string, arguments []string) int {
	command := exec.Command(path, arguments...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	since := time.Now()
	err := command.Run()
	took := time.Since(since)
	exit := code(err)
	report := fmt.Sprintln(took.Nanoseconds(), largest(command.ProcessState))
	if err := os.WriteFile(file, []byte(report), 0o600); err != nil {
		fail(err)
	}
	return exit
}

func folder(prefix string) {
	over := ending()
	requests(over)
	path, err := os.MkdirTemp("", prefix)
	if err != nil {
		fail(err)
	}
	fmt.Println(path)
	<-over
	// The servers that wrote here are ended by supervisors of their own at the same moment: one may still add a file.
	for range 100 {
		if os.RemoveAll(path) == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func key(file string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		fail(err)
	}
	der, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		fail(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		fail(err)
	}
}

// ending gives a channel that says that somebody asked the supervisor itself to end.
func ending() chan os.Signal {
	over := make(chan os.Signal, 8)
	signal.Notify(over, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	return over
}

// requests hands on the lines of standard input; its end counts as being asked to end.
func requests(over chan<- os.Signal) <-chan string {
	lines := make(chan string, 8)
	go func() {
		for input := bufio.NewScanner(os.Stdin); input.Scan(); {
			lines <- input.Text()
		}
		over <- syscall.SIGHUP
	}()
	return lines
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "supervisor:", err)
	os.Exit(failed)
}
