// node's pg: unnamed statements unless they are given a name, then prepared once.
'use strict';

const assert = require('assert');
const { Client, Pool } = require('pg');
const { at, run, until } = require('./steps.js');

const connect = async (more) => {
	const client = new Client({ ...at, ...more });
	await client.connect();
	return client;
};

const refused = (code, promise) => assert.rejects(promise, (e) => e.code === code);

let conn;

async function begins() {
	conn = await connect();
}

async function prepared() {
	const pids = [];
	for (let n = 0; n < 40; n++) {
		const query = { name: 'twice', text: 'select pg_backend_pid() as pid, $1::int * 2 as n',
			values: [n] };
		const { rows } = await conn.query(query);
		assert.strictEqual(rows[0].n, 2 * n);
		pids.push(rows[0].pid);
	}
	return pids;
}

async function named_alike_by_two() {
	const other = await connect();
	for (let n = 0; n < 15; n++) {
		const one = await conn.query({ name: 'same', text: 'select $1::int + 1 as n', values: [n] });
		const two = await other.query({ name: 'same', text: 'select $1::text as n', values: [n] });
		assert.deepStrictEqual([one.rows[0].n, two.rows[0].n], [n + 1, String(n)]);
	}
	await other.end();
}

async function unnamed() {
	const pids = [];
	for (let n = 0; n < 40; n++) {
		const { rows } = await conn.query('select pg_backend_pid() as pid, $1::text as s', [n]);
		assert.strictEqual(rows[0].s, String(n));
		pids.push(rows[0].pid);
	}
	return pids;
}

async function transactions() {
	await conn.query('create table account(id int primary key, sum int)');
	for (let n = 0; n < 15; n++) {
		await conn.query('begin');
		await conn.query({ name: 'add', text: 'insert into account values ($1, $1)', values: [n] });
		await conn.query('savepoint s');
		await conn.query('update account set sum = -1');
		await conn.query('rollback to s');
		await conn.query('commit');
	}
	await conn.query('begin');
	await conn.query({ name: 'add', values: [100] });
	await conn.query('rollback');
	const { rows } = await conn.query('select count(*)::int as n, sum(sum)::int as s from account');
	assert.deepStrictEqual(rows[0], { n: 15, s: 105 });
}

async function errors() {
	for (let n = 0; n < 15; n++) {
		await refused('23505', conn.query({ name: 'add', values: [n] }));
		await refused('42601', conn.query({ name: `bad${n}`, text: 'selec $1', values: [n] }));
		await refused('22012', conn.query({ name: 'div', text: 'select 1 / $1::int', values: [0] }));
		await conn.query('begin');
		await refused('22012', conn.query({ name: 'div', values: [0] }));
		await refused('25P02', conn.query({ name: 'twice', values: [0] }));
		await conn.query('rollback');
		assert.strictEqual((await conn.query({ name: 'div', values: [1] })).rowCount, 1);
	}
}

async function settings() {
	const own = await connect({ application_name: 'tenant-1', statement_timeout: 12345 });
	await own.query("set time zone 'Asia/Tokyo'");
	const question = "select current_setting('TimeZone') as z, current_setting('statement_timeout')"
		+ " as t, current_setting('application_name') as a";
	for (let n = 0; n < 15; n++) {
		const { rows } = await own.query(question);
		assert.deepStrictEqual(rows[0], { z: 'Asia/Tokyo', t: '12345ms', a: 'tenant-1' });
	}
	await own.query('reset all');
	for (let n = 0; n < 15; n++) {
		const { rows } = await own.query(question);
		assert.deepStrictEqual(rows[0], { z: 'UTC', t: '12345ms', a: 'tenant-1' });
	}
	await own.end();
}

async function a_pool() {
	const pool = new Pool({ ...at, max: 8 });
	const rows = await Promise.all(Array.from({ length: 100 }, (_, n) =>
		pool.query({ name: 'pooled', text: 'select $1::int * 2 as n', values: [n] })));
	assert.deepStrictEqual(rows.map((r) => r.rows[0].n), Array.from({ length: 100 }, (_, n) => 2 * n));
	await pool.end();
}

async function temporary_tables() {
	await conn.query('create temp table mine(n int)');
	for (let n = 0; n < 20; n++)
		await conn.query({ name: 'mine', text: 'insert into mine values ($1)', values: [n] });
	assert.strictEqual((await conn.query('select sum(n)::int as n from mine')).rows[0].n, 190);
	await conn.query('drop table mine');
}

async function notifications() {
	const heard = [];
	const listener = await connect();
	listener.on('notification', (message) => heard.push(message.payload));
	await listener.query('listen news');
	for (let n = 0; n < 10; n++)
		await conn.query("select pg_notify('news', $1)", [`item ${n}`]);
	await until('ten notifications', 20000, () => heard.length === 10);
	assert.deepStrictEqual(heard, Array.from({ length: 10 }, (_, n) => `item ${n}`));
	await listener.query('unlisten *');
	await listener.end();
}

async function ends() {
	await conn.end();
}

run([begins, prepared, named_alike_by_two, unnamed, transactions, errors, settings, a_pool,
	temporary_tables, notifications, ends]);
