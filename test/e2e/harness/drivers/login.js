// Logs in with node's pg, once for every line of standard input: see ../drivers.py.
'use strict';

const fs = require('fs');
const readline = require('readline');
const { Client } = require('pg');

function tls(c) {
	if ((c.get('sslmode') || 'disable') === 'disable')
		return false;
	const options = { rejectUnauthorized: c.get('sslmode') !== 'require' };
	if (c.get('ca'))
		options.ca = fs.readFileSync(c.get('ca'));
	if (c.get('cert')) {
		options.cert = fs.readFileSync(c.get('cert'));
		options.key = fs.readFileSync(c.get('key'));
	}
	return options;
}

async function login(c) {
	const client = new Client({
		host: c.get('host'), port: Number(c.get('port')), database: c.get('dbname'),
		user: c.get('user'), password: c.get('password') || undefined, ssl: tls(c),
		connectionTimeoutMillis: 15000,
	});
	// What goes wrong after the answer is nobody's business any more.
	client.on('error', () => {});
	try {
		await client.connect();
		const result = await client.query('select current_user');
		return { ok: result.rows[0].current_user };
	} catch (e) {
		const state = /^[0-9A-Z]{5}$/.test(e.code || '') ? e.code : '';
		return { sqlstate: state, text: `${e.code || ''} ${e.message}` };
	} finally {
		client.end().catch(() => {});
	}
}

async function main() {
	delete process.env.PGPASSFILE;
	process.env.PGPASSFILE = '/nonexistent';
	for await (const line of readline.createInterface({ input: process.stdin })) {
		const answer = new URLSearchParams(await login(new URLSearchParams(line)));
		process.stdout.write(answer.toString() + '\n');
	}
}

main();
