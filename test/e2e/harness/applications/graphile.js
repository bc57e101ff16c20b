// graphile-worker: a queue of jobs whose workers LISTEN for new ones, lock queues, and run
// prepared statements.
'use strict';

const assert = require('assert');
const { EventEmitter } = require('events');
const { Pool } = require('pg');
const { Logger, makeWorkerUtils, run: runWorkers } = require('graphile-worker');
const { at, run, until } = require('./steps.js');

// So slow that only a notification makes a job be done in time.
const POLL_MS = 60000;
const done = [], tries = new Map();
const quiet = new Logger(() => (level, message) => {
	if (level === 'error' && !/not yet/.test(message))
		console.error(message);
});
const pool = new Pool({ ...at, max: 8 });
let utils, runners;

async function migrations() {
	utils = await makeWorkerUtils({ pgPool: pool, logger: quiet });
	await utils.migrate();
}

async function workers_start() {
	let listeners = 0;
	const events = new EventEmitter();
	events.on('pool:listen:success', () => listeners++);
	const options = {
		events, pgPool: pool, logger: quiet, concurrency: 2, pollInterval: POLL_MS, noHandleSignals: true,
		taskList: {
			mail: async (payload) => { done.push(payload.n); },
			flaky: async (payload, helpers) => {
				tries.set(payload.n, (tries.get(payload.n) || 0) + 1);
				const { rows } = await helpers.query('select pg_backend_pid() as pid, $1::int as n',
					[payload.n]);
				assert.strictEqual(rows[0].n, payload.n);
				if (helpers.job.attempts < 2)
					throw new Error('not yet');
			},
		},
	};
	runners = [await runWorkers(options), await runWorkers(options)];
	await until('both listeners', 15000, () => listeners === 2);
}

async function jobs_are_noticed_at_once() {
	for (let n = 0; n < 20; n++) {
		const began = Date.now();
		await utils.addJob('mail', { n });
		await until('the job', 20000, () => done.length > n);
		assert(Date.now() - began < POLL_MS / 2);
	}
	assert.deepStrictEqual(done, Array.from({ length: 20 }, (_, n) => n));
}

async function a_queue_keeps_its_order() {
	const before = done.length;
	for (let n = 100; n < 120; n++)
		await utils.addJob('mail', { n }, { queueName: 'in-order' });
	await until('the jobs', 20000, () => done.length === before + 20);
	assert.deepStrictEqual(done.slice(before), Array.from({ length: 20 }, (_, n) => 100 + n));
}

async function added_by_sql() {
	const before = done.length;
	await pool.query("select graphile_worker.add_job('mail', json_build_object('n', g)) "
		+ 'from generate_series(1000, 1029) g');
	await until('the jobs', 20000, () => done.length === before + 30);
}

async function a_failure_is_tried_again() {
	await utils.addJob('flaky', { n: 7 });
	// Not just begun: what notes its failure sets run_at, too.
	await until('the first try', 20000, async () => (await pool.query(
		'select from graphile_worker._private_jobs where last_error is not null and locked_at is null',
	)).rowCount === 1);
	await pool.query('update graphile_worker._private_jobs set run_at = now()');
	await utils.addJob('mail', { n: 5000 });
	await until('the second try', 20000, () => tries.get(7) === 2);
}

async function stop() {
	for (const runner of runners)
		await runner.stop();
	await utils.release();
	await pool.end();
}

run([migrations, workers_start, jobs_are_noticed_at_once, a_queue_keeps_its_order, added_by_sql,
	a_failure_is_tried_again, stop]);
