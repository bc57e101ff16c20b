// What the programs for Node.js have in common; see steps.py.
'use strict';

const [host, port, database, user] = process.argv.slice(2);

exports.at = { host, port: Number(port), database, user };

exports.within = (what, ms, promise) => {
	let timer;
	const late = new Promise((_, reject) => {
		timer = setTimeout(() => reject(new Error(`${what} did not come`)), ms);
	});
	return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

// Waits for a condition that other connections bring about.
exports.until = async (what, ms, condition) => {
	for (const end = Date.now() + ms; !(await condition());) {
		if (Date.now() > end)
			throw new Error(`${what} did not come`);
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
};

exports.run = async (steps) => {
	let failed = 0;
	for (const step of steps) {
		try {
			const pids = (await exports.within('the end of the step', 30000, step())) || [];
			console.log(`ok ${step.name} ${[...pids].join(',')}`);
		} catch (failure) {
			failed++;
			console.error(failure);
			const text = `${failure.code || ''} ${failure.message}`.replace(/\s+/g, ' ');
			console.log(`not ok ${step.name} ${text}`);
		}
	}
	process.exit(failed > 0 ? 1 : 0);
};
