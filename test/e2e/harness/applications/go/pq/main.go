// lib/pq under database/sql: queries with arguments are prepared, used and closed; a Stmt
// is prepared once on each connection.
package main

import (
	"database/sql"
	"fmt"
	"sync"
	"time"

	"github.com/lib/pq"

	. "work/steps"
)

func open(connections int) *sql.DB {
	db, err := sql.Open("postgres", URL())
	Must(err)
	db.SetMaxOpenConns(connections)
	return db
}

var db = open(1)

func refused(code string, err error) {
	e, is := err.(*pq.Error)
	Check(is && string(e.Code) == code, "not %s: %v", code, err)
}

func prepared() (pids []int) {
	statement, err := db.Prepare("select pg_backend_pid(), $1::int * 2")
	Must(err)
	for n := 0; n < 40; n++ {
		var pid, twice int
		Must(statement.QueryRow(n).Scan(&pid, &twice))
		Check(twice == 2*n, "%d", twice)
		pids = append(pids, pid)
	}
	Must(statement.Close())
	return
}

func unnamed() (pids []int) {
	for n := 0; n < 40; n++ {
		var pid int
		var same string
		Must(db.QueryRow("select pg_backend_pid(), $1::text", fmt.Sprint(n)).Scan(&pid, &same))
		Check(same == fmt.Sprint(n), "%s", same)
		pids = append(pids, pid)
	}
	return
}

func many() []int {
	own := open(8)
	statement, err := own.Prepare("select $1::int * 2")
	Must(err)
	var group sync.WaitGroup
	wrong := make(chan string, 400)
	for i := 0; i < 20; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			for n := 0; n < 20; n++ {
				var twice int
				if err := statement.QueryRow(i + n).Scan(&twice); err != nil {
					wrong <- err.Error()
				} else if twice != 2*(i+n) {
					wrong <- fmt.Sprint(twice)
				}
			}
		}(i)
	}
	group.Wait()
	Check(len(wrong) == 0, "%d went wrong", len(wrong))
	Must(own.Close())
	return nil
}

func transactions() []int {
	_, err := db.Exec("create table account(id int primary key, sum int)")
	Must(err)
	for n := 0; n < 15; n++ {
		tx, err := db.Begin()
		Must(err)
		statement, err := tx.Prepare("insert into account values ($1, $2)")
		Must(err)
		_, err = statement.Exec(n, n)
		Must(err)
		_, err = tx.Exec("savepoint s; update account set sum = -1; rollback to s")
		Must(err)
		Must(tx.Commit())
	}
	tx, err := db.Begin()
	Must(err)
	_, err = tx.Exec("insert into account values (100, 100)")
	Must(err)
	Must(tx.Rollback())
	var sum int
	Must(db.QueryRow("select sum(sum) from account").Scan(&sum))
	Check(sum == 105, "%d", sum)
	return nil
}

func failures() []int {
	for n := 0; n < 15; n++ {
		_, err := db.Exec("insert into account values ($1, 0)", n)
		refused("23505", err)
		_, err = db.Prepare("selec 1")
		refused("42601", err)
		tx, err := db.Begin()
		Must(err)
		_, err = tx.Exec("select 1 / $1::int", 0)
		refused("22012", err)
		_, err = tx.Exec("select $1::int", 0)
		refused("25P02", err)
		Must(tx.Rollback())
		var five int
		Must(db.QueryRow("select 10 / $1::int", 2).Scan(&five))
		Check(five == 5, "%d", five)
	}
	return nil
}

func settings() []int {
	for _, sentence := range []string{"set time zone 'Asia/Tokyo'", "set statement_timeout = 54321"} {
		_, err := db.Exec(sentence)
		Must(err)
	}
	show := func(zone, timeout string) {
		for n := 0; n < 12; n++ {
			var z, t string
			Must(db.QueryRow("select current_setting('TimeZone'), "+
				"current_setting('statement_timeout')").Scan(&z, &t))
			Check(z == zone && t == timeout, "%s %s", z, t)
		}
	}
	show("Asia/Tokyo", "54321ms")
	_, err := db.Exec("reset all")
	Must(err)
	show("UTC", "0")
	return nil
}

func copies() []int {
	tx, err := db.Begin()
	Must(err)
	in, err := tx.Prepare(pq.CopyIn("account", "id", "sum"))
	Must(err)
	for n := 5000; n < 5500; n++ {
		_, err = in.Exec(n, 0)
		Must(err)
	}
	_, err = in.Exec()
	Must(err)
	Must(in.Close())
	Must(tx.Commit())
	var count int
	Must(db.QueryRow("select count(*) from account where id >= $1", 5000).Scan(&count))
	Check(count == 500, "%d", count)
	return nil
}

func notifications() []int {
	listener := pq.NewListener(URL(), time.Second, 10*time.Second, nil)
	Must(listener.Listen("news"))
	for n := 0; n < 10; n++ {
		_, err := db.Exec("select pg_notify('news', $1)", fmt.Sprintf("item %d", n))
		Must(err)
	}
	for n := 0; n < 10; n++ {
		select {
		case heard := <-listener.Notify:
			Check(heard != nil && heard.Extra == fmt.Sprintf("item %d", n), "%v", heard)
		case <-time.After(20 * time.Second):
			Check(false, "only %d came", n)
		}
	}
	Must(listener.Ping())
	Must(listener.Unlisten("news"))
	Must(listener.Close())
	return nil
}

func main() {
	Run([]Step{{"prepared", prepared}, {"unnamed", unnamed}, {"many", many},
		{"transactions", transactions}, {"failures", failures}, {"settings", settings},
		{"copies", copies}, {"notifications", notifications}})
}
