// pgx: binary, every statement prepared under a name and kept, batches in pipelines.
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgx/v4"
	"github.com/jackc/pgx/v4/pgxpool"

	. "work/steps"
)

var ctx = context.Background()

func connect() *pgx.Conn {
	conn, err := pgx.Connect(ctx, URL())
	Must(err)
	return conn
}

var conn *pgx.Conn

func refused(code string, err error) {
	var e *pgconn.PgError
	Check(errors.As(err, &e) && e.Code == code, "not %s: %v", code, err)
}

func do(conn *pgx.Conn, text string, values ...interface{}) {
	_, err := conn.Exec(ctx, text, values...)
	Must(err)
}

func prepared() (pids []int) {
	conn = connect()
	for n := 0; n < 40; n++ {
		var pid, twice int
		Must(conn.QueryRow(ctx, "select pg_backend_pid(), $1::int * 2", n).Scan(&pid, &twice))
		Check(twice == 2*n, "%d", twice)
		pids = append(pids, pid)
	}
	_, err := conn.Prepare(ctx, "own", "select $1::int + 1")
	Must(err)
	for n := 0; n < 20; n++ {
		var next int
		Must(conn.QueryRow(ctx, "own", n).Scan(&next))
		Check(next == n+1, "%d", next)
	}
	Must(conn.Deallocate(ctx, "own"))
	_, err = conn.Prepare(ctx, "own", "select $1::text")
	Must(err)
	return
}

func batches() []int {
	for i := 0; i < 8; i++ {
		batch := &pgx.Batch{}
		for n := 0; n < 30; n++ {
			batch.Queue("select $1::int + $2::int", n, i)
		}
		results := conn.SendBatch(ctx, batch)
		for n := 0; n < 30; n++ {
			var sum int
			Must(results.QueryRow().Scan(&sum))
			Check(sum == n+i, "%d", sum)
		}
		Must(results.Close())
		batch = &pgx.Batch{}
		batch.Queue("select 1 / $1::int", 0)
		batch.Queue("select $1::int", 1)
		results = conn.SendBatch(ctx, batch)
		_, err := results.Exec()
		refused("22012", err)
		results.Close()
	}
	return nil
}

func transactions() []int {
	do(conn, "create table account(id int primary key, sum int)")
	for n := 0; n < 15; n++ {
		Must(conn.BeginFunc(ctx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "insert into account values ($1, $2)", n, n)
			Must(err)
			inner, err := tx.Begin(ctx)
			Must(err)
			_, err = inner.Exec(ctx, "update account set sum = $1", -1)
			Must(err)
			return inner.Rollback(ctx)
		}))
	}
	var sum int
	Must(conn.QueryRow(ctx, "select sum(sum) from account").Scan(&sum))
	Check(sum == 105, "%d", sum)
	return nil
}

func failures() []int {
	for n := 0; n < 15; n++ {
		_, err := conn.Exec(ctx, "insert into account values ($1, 0)", n)
		refused("23505", err)
		_, err = conn.Exec(ctx, "selec $1", n)
		refused("42601", err)
		var five int
		Must(conn.QueryRow(ctx, "select 10 / $1::int", 2).Scan(&five))
		Check(five == 5, "%d", five)
	}
	return nil
}

func settings() []int {
	do(conn, "set time zone 'Asia/Tokyo'")
	for n := 0; n < 12; n++ {
		var zone string
		Must(conn.QueryRow(ctx, "select current_setting('TimeZone')").Scan(&zone))
		Check(zone == "Asia/Tokyo", "%s", zone)
	}
	do(conn, "reset time zone")
	return nil
}

func a_pool() []int {
	pool, err := pgxpool.Connect(ctx, URL()+"&pool_max_conns=8")
	Must(err)
	wrong := make(chan error, 100)
	for n := 0; n < 100; n++ {
		go func(n int) {
			var twice int
			err := pool.QueryRow(ctx, "select $1::int * 2", n).Scan(&twice)
			if err == nil && twice != 2*n {
				err = fmt.Errorf("%d", twice)
			}
			wrong <- err
		}(n)
	}
	for n := 0; n < 100; n++ {
		Must(<-wrong)
	}
	pool.Close()
	return nil
}

func copies() []int {
	rows := make([][]interface{}, 500)
	for n := range rows {
		rows[n] = []interface{}{5000 + n, 0}
	}
	count, err := conn.CopyFrom(ctx, pgx.Identifier{"account"}, []string{"id", "sum"},
		pgx.CopyFromRows(rows))
	Must(err)
	Check(count == 500, "%d", count)
	return nil
}

func notifications() []int {
	listener := connect()
	do(listener, "listen news")
	for n := 0; n < 10; n++ {
		do(conn, "select pg_notify('news', $1)", fmt.Sprintf("item %d", n))
	}
	for n := 0; n < 10; n++ {
		limited, cancel := context.WithTimeout(ctx, 20*time.Second)
		heard, err := listener.WaitForNotification(limited)
		cancel()
		Must(err)
		Check(heard.Payload == fmt.Sprintf("item %d", n), "%v", heard)
	}
	do(listener, "unlisten *")
	Must(listener.Close(ctx))
	return nil
}

func main() {
	Run([]Step{{"prepared", prepared}, {"batches", batches}, {"transactions", transactions},
		{"failures", failures}, {"settings", settings}, {"a_pool", a_pool}, {"copies", copies},
		{"notifications", notifications}})
}
