// Package steps is what the programs in Go have in common; see ../../steps.py.
package steps

import (
	"fmt"
	"os"
	"strings"
)

// Step does a part of the work and tells which servers it saw.
type Step struct {
	Name string
	Run  func() []int
}

// URL is where to connect.
func URL() string {
	return fmt.Sprintf("postgres://%s@%s:%s/%s?sslmode=disable", os.Args[4], os.Args[1],
		os.Args[2], os.Args[3])
}

// Must stops the step.
func Must(err error) {
	if err != nil {
		panic(err)
	}
}

// Check stops the step unless it is so.
func Check(is bool, what string, values ...interface{}) {
	if !is {
		panic(fmt.Sprintf(what, values...))
	}
}

func try(step Step) (pids []int, failure interface{}) {
	defer func() { failure = recover() }()
	return step.Run(), nil
}

// Run does all of them and ends the program.
func Run(all []Step) {
	status := 0
	for _, step := range all {
		pids, failure := try(step)
		if failure != nil {
			status = 1
			text := strings.Join(strings.Fields(fmt.Sprint(failure)), " ")
			fmt.Printf("not ok %s %s\n", step.Name, text)
			continue
		}
		words := make([]string, len(pids))
		for i, pid := range pids {
			words[i] = fmt.Sprint(pid)
		}
		fmt.Printf("ok %s %s\n", step.Name, strings.Join(words, ","))
	}
	os.Exit(status)
}
