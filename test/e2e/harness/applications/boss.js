// pg-boss: a queue of jobs. It makes its schema under an advisory lock, and workers take
// jobs with SKIP LOCKED.
'use strict';

const assert = require('assert');
const PgBoss = require('pg-boss');
const { at, run, until } = require('./steps.js');

const make = () => {
	const boss = new PgBoss({ ...at, max: 5 });
	boss.on('error', (e) => console.error(e));
	return boss;
};

const bosses = [make(), make()];
const done = [];

// At the same time: one of them makes the schema, the other waits for the lock.
async function start_together() {
	await Promise.all(bosses.map((boss) => boss.start()));
	await bosses[0].createQueue('mail');
	await bosses[0].createQueue('flaky', { retryLimit: 3, retryDelay: 0 });
}

async function jobs_are_done_once() {
	for (const boss of bosses)
		await boss.work('mail', { batchSize: 5, pollingIntervalSeconds: 0.5 }, async (jobs) => {
			for (const job of jobs)
				done.push(job.data.n);
		});
	for (let n = 0; n < 30; n++)
		await bosses[n % 2].send('mail', { n });
	await until('thirty jobs', 25000, () => done.length >= 30);
	assert.deepStrictEqual(done.sort((a, b) => a - b), Array.from({ length: 30 }, (_, n) => n));
}

async function a_failure_is_tried_again() {
	let tries = 0;
	await bosses[1].work('flaky', { pollingIntervalSeconds: 0.5 }, async () => {
		if (++tries < 3)
			throw new Error('not yet');
	});
	const id = await bosses[0].send('flaky', {});
	await until('the third try', 25000, async () =>
		(await bosses[0].getJobById('flaky', id)).state === 'completed');
	assert.strictEqual(tries, 3);
}

async function many_at_once() {
	await bosses[0].insert(Array.from({ length: 100 },
		(_, n) => ({ name: 'mail', data: { n: 100 + n } })));
	await until('a hundred jobs', 25000, () => done.length >= 130);
	assert.strictEqual(new Set(done).size, 130);
}

async function stop() {
	for (const boss of bosses)
		await boss.stop({ graceful: true, timeout: 5000 });
}

run([start_together, jobs_are_done_once, a_failure_is_tried_again, many_at_once, stop]);
