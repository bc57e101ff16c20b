<?php
// PHP's PDO and pgsql: statements are prepared on the server under names, and forgotten by
// DEALLOCATE; lastInsertId() asks for lastval(). See steps.py.

[, $host, $port, $dbname, $user] = $argv;

function connect($options = [])
{
	global $host, $port, $dbname, $user;
	return new PDO("pgsql:host=$host;port=$port;dbname=$dbname;sslmode=disable", $user, null,
		$options + [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION, PDO::ATTR_EMULATE_PREPARES => false,
			PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_NUM]);
}

function check($is, $what)
{
	if (!$is)
		throw new Exception("wrong: " . json_encode($what));
}

function refused($state, $function)
{
	try {
		$function();
	} catch (PDOException $e) {
		check((string)$e->getCode() === $state, [$state, $e->getMessage()]);
		return;
	}
	throw new Exception("there was no $state");
}

$conn = connect();

$steps = [
	'prepared' => function () use ($conn) {
		$pids = [];
		$statement = $conn->prepare('select pg_backend_pid(), ?::int * 2');
		for ($n = 0; $n < 40; $n++) {
			$statement->execute([$n]);
			[$pid, $twice] = $statement->fetch();
			check($twice === 2 * $n, $twice);
			$pids[] = $pid;
		}
		return $pids;
	},
	'prepared_anew' => function () use ($conn) {
		$pids = [];
		for ($n = 0; $n < 40; $n++) {
			$statement = $conn->prepare('select pg_backend_pid(), ?::int + 1');
			$statement->execute([$n]);
			[$pid, $next] = $statement->fetch();
			check($next === $n + 1, $next);
			$pids[] = $pid;
		}
		return $pids;
	},
	'emulated' => function () {
		$own = connect([PDO::ATTR_EMULATE_PREPARES => true]);
		$statement = $own->prepare('select ?::int');
		for ($n = 0; $n < 10; $n++) {
			$statement->execute([$n]);
			check($statement->fetch() === [$n], $n);
		}
	},
	'without_names' => function () {
		$own = connect([PDO::PGSQL_ATTR_DISABLE_PREPARES => true]);
		$statement = $own->prepare('select ?::int');
		for ($n = 0; $n < 10; $n++) {
			$statement->execute([$n]);
			check($statement->fetch() === [$n], $n);
		}
	},
	'last_insert_id' => function () use ($conn) {
		$conn->exec('create table keyed(id serial primary key, n int)');
		$insert = $conn->prepare('insert into keyed(n) values (?)');
		$insert->execute([1]);
		// Where servers change nobody can know that it will ask; but it may be refused this
		// once only.
		try {
			check($conn->lastInsertId() == 1, 'the first');
		} catch (PDOException $e) {
			check($e->getCode() === '55000', $e->getMessage());
		}
		for ($n = 2; $n <= 20; $n++) {
			$insert->execute([$n]);
			$name = $n % 2 ? 'keyed_id_seq' : null;
			check($conn->lastInsertId($name) == $n, $n);
		}
	},
	'transactions' => function () use ($conn) {
		$conn->exec('create table account(id int primary key, sum int)');
		$insert = $conn->prepare('insert into account values (?, ?)');
		for ($n = 0; $n < 15; $n++) {
			$conn->beginTransaction();
			$insert->execute([$n, $n]);
			$conn->exec('savepoint s');
			$conn->exec('update account set sum = -1');
			$conn->exec('rollback to s');
			$conn->commit();
		}
		$conn->beginTransaction();
		$insert->execute([100, 100]);
		$conn->rollBack();
		check($conn->query('select sum(sum) from account')->fetch() == [105], 'sum');
	},
	'errors' => function () use ($conn) {
		$insert = $conn->prepare('insert into account values (?, 0)');
		$divide = $conn->prepare('select 10 / ?::int');
		for ($n = 0; $n < 15; $n++) {
			refused('23505', fn() => $insert->execute([$n]));
			refused('22012', fn() => $divide->execute([0]));
			refused('42601', fn() => $conn->prepare('selec ?')->execute([1]));
			$conn->beginTransaction();
			refused('22012', fn() => $divide->execute([0]));
			refused('25P02', fn() => $divide->execute([1]));
			$conn->rollBack();
			$divide->execute([2]);
			check($divide->fetch() === [5], 'divided');
		}
	},
	'settings' => function () use ($conn) {
		$conn->exec("set time zone 'Asia/Tokyo'");
		for ($n = 0; $n < 15; $n++)
			check($conn->query('show timezone')->fetch() === ['Asia/Tokyo'], 'zone');
		$conn->exec('reset all');
		for ($n = 0; $n < 15; $n++)
			check($conn->query('show timezone')->fetch() === ['UTC'], 'zone after reset');
	},
	'copies' => function () use ($conn) {
		$conn->pgsqlCopyFromArray('account', array_map(fn($n) => "$n\t0", range(5000, 5499)));
		check(count($conn->pgsqlCopyToArray('(select id from account where id >= 5000)')) === 500, 'rows');
	},
	'cursors' => function () use ($conn) {
		$conn->beginTransaction();
		$walk = $conn->prepare('select generate_series(1, ?::int)',
			[PDO::ATTR_CURSOR => PDO::CURSOR_SCROLL]);
		$walk->execute([100]);
		check(array_sum(array_column($walk->fetchAll(), 0)) === 5050, 'sum');
		unset($walk);
		$conn->commit();
	},
	'temporary_tables' => function () use ($conn) {
		$conn->exec('create temp table mine(n int)');
		$insert = $conn->prepare('insert into mine values (?)');
		for ($n = 0; $n < 20; $n++)
			$insert->execute([$n]);
		check($conn->query('select sum(n) from mine')->fetch() == [190], 'sum');
		$conn->exec('drop table mine');
	},
	'notifications' => function () use ($conn) {
		$listener = connect();
		$listener->exec('listen news');
		for ($n = 0; $n < 10; $n++)
			$conn->prepare("select pg_notify('news', ?)")->execute(["item $n"]);
		for ($n = 0; $n < 10; $n++) {
			$heard = $listener->pgsqlGetNotify(PDO::FETCH_ASSOC, 20000);
			check($heard && $heard['payload'] === "item $n", $heard);
		}
	},
];

$failed = 0;
foreach ($steps as $name => $step) {
	try {
		echo "ok $name " . implode(',', $step() ?? []) . "\n";
	} catch (Throwable $e) {
		$failed++;
		fwrite(STDERR, "$e\n");
		echo "not ok $name " . preg_replace('/\s+/', ' ', $e->getMessage()) . "\n";
	}
}
exit($failed > 0 ? 1 : 0);
