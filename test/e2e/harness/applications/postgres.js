// node's postgres (postgres.js): everything prepared under a name, in pipelines, on
// several connections.
'use strict';

const assert = require('assert');
const postgres = require('postgres');
const { at, run, until } = require('./steps.js');

const connect = (more) => postgres({ ...at, onnotice: () => {}, ...more });
const refused = (code, query) => assert.rejects(query, (e) => e.code === code);
const ten = Array.from({ length: 10 }, (_, n) => n);

const sql = connect({ max: 1 });

async function prepared() {
	const pids = [];
	for (let n = 0; n < 40; n++) {
		const [row] = await sql`select pg_backend_pid() as pid, ${n}::int * 2 as n`;
		assert.strictEqual(row.n, 2 * n);
		pids.push(row.pid);
	}
	return pids;
}

async function pipelines() {
	for (let i = 0; i < 8; i++) {
		const rows = await Promise.all(ten.map((n) => sql`select ${n}::int + ${i}::int as n`));
		assert.deepStrictEqual(rows.map(([row]) => row.n), ten.map((n) => n + i));
		const mixed = await Promise.allSettled(ten.map((n) => sql`select 10 / ${n}::int as n`));
		assert.strictEqual(mixed[0].reason.code, '22012');
		assert.deepStrictEqual(mixed.slice(1).map((r) => r.status), Array(9).fill('fulfilled'));
	}
}

async function many_connections() {
	const own = connect({ max: 8 });
	const rows = await Promise.all(Array.from({ length: 200 }, (_, n) =>
		own`select ${n}::int * 2 as n, pg_backend_pid() as pid`));
	assert.deepStrictEqual(rows.map(([row]) => row.n), Array.from({ length: 200 }, (_, n) => 2 * n));
	await own.end();
}

async function without_names() {
	const own = connect({ max: 1, prepare: false });
	for (const n of ten)
		assert.strictEqual((await own`select ${n}::int as n`)[0].n, n);
	await own.end();
}

async function transactions() {
	await sql`create table account(id int primary key, sum int)`;
	for (let n = 0; n < 15; n++) {
		await sql.begin(async (tx) => {
			const [{ pid }] = await tx`select pg_backend_pid() as pid`;
			await tx`insert into account ${tx({ id: n, sum: n })}`;
			await tx.savepoint(async (inner) => {
				await inner`update account set sum = -1`;
				throw new Error('not so');
			}).catch(() => {});
			assert.strictEqual((await tx`select pg_backend_pid() as pid`)[0].pid, pid);
		});
	}
	const [row] = await sql`select count(*)::int as n, sum(sum)::int as s from account`;
	assert.deepStrictEqual({ ...row }, { n: 15, s: 105 });
}

async function errors() {
	for (let n = 0; n < 15; n++) {
		await refused('23505', sql`insert into account values (${n}, 0)`);
		await refused('42601', sql`selec ${n}::int`);
		await refused('22012', sql.begin((tx) => tx`select 1 / ${0}::int`));
		assert.strictEqual((await sql`select 10 / ${2}::int as n`)[0].n, 5);
	}
}

async function settings() {
	const own = connect({ max: 1, connection: { statement_timeout: 12345, TimeZone: 'Asia/Tokyo' } });
	for (let n = 0; n < 15; n++) {
		const [row] = await own`select current_setting('TimeZone') as z,
			current_setting('statement_timeout') as t`;
		assert.deepStrictEqual({ ...row }, { z: 'Asia/Tokyo', t: '12345ms' });
	}
	await own.end();
}

async function cursors() {
	let sum = 0;
	await sql`select generate_series(1, 300) as n`.cursor(50, (rows) => {
		for (const row of rows)
			sum += row.n;
	});
	assert.strictEqual(sum, 45150);
}

async function copies() {
	const { pipeline } = require('stream/promises');
	const { Readable } = require('stream');
	const lines = Array.from({ length: 500 }, (_, n) => `${5000 + n}\t0\n`);
	await pipeline(Readable.from(lines), await sql`copy account from stdin`.writable());
	const [row] = await sql`select count(*)::int as n from account where id >= 5000`;
	assert.strictEqual(row.n, 500);
}

async function notifications() {
	const heard = [], own = connect({ max: 2 });
	const { unlisten } = await own.listen('news', (payload) => heard.push(payload));
	for (const n of ten)
		await own.notify('news', `item ${n}`);
	await until('ten notifications', 20000, () => heard.length === 10);
	assert.deepStrictEqual(heard, ten.map((n) => `item ${n}`));
	await unlisten();
	await own.end();
}

async function ends() {
	await sql.end();
}

run([prepared, pipelines, many_connections, without_names, transactions, errors, settings, cursors,
	copies, notifications, ends]);
