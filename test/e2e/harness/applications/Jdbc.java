import java.io.StringReader;
import java.sql.BatchUpdateException;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Types;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;

// JDBC: from the fifth execution on a statement is prepared under a name (prepareThreshold),
// and all of a batch goes out before one Sync. See steps.py.
public class Jdbc {
	interface Step {
		List<Integer> run() throws Exception;
	}

	static String url;
	static int failed;

	static Connection connect(String... options) throws SQLException {
		Properties p = new Properties();
		p.setProperty("user", user);
		for (int i = 0; i < options.length; i += 2)
			p.setProperty(options[i], options[i + 1]);
		return DriverManager.getConnection(url, p);
	}

	static String user;

	static void step(String name, Step step) {
		try {
			List<Integer> pids = step.run();
			StringBuilder line = new StringBuilder("ok " + name + " ");
			for (int i = 0; pids != null && i < pids.size(); i++)
				line.append(i > 0 ? "," : "").append(pids.get(i));
			System.out.println(line);
		} catch (Throwable e) {
			failed++;
			e.printStackTrace();
			System.out.println("not ok " + name + " " + String.valueOf(e).replaceAll("\\s+", " "));
		}
	}

	static void check(boolean is, String what) {
		if (!is)
			throw new AssertionError(what);
	}

	static String ask(Connection c, String sql) throws SQLException {
		try (Statement s = c.createStatement(); ResultSet r = s.executeQuery(sql)) {
			r.next();
			return r.getString(1);
		}
	}

	static void run(Connection c, String sql) throws SQLException {
		try (Statement s = c.createStatement()) {
			s.execute(sql);
		}
	}

	interface Sql {
		void run() throws SQLException;
	}

	static void refused(String state, Sql sql) {
		try {
			sql.run();
		} catch (SQLException e) {
			check(state.equals(e.getSQLState()), e.getSQLState() + ": " + e.getMessage());
			return;
		}
		throw new AssertionError("there was no " + state);
	}

	static List<Integer> prepared(String... options) throws SQLException {
		List<Integer> pids = new ArrayList<>();
		try (Connection c = connect(options);
		     PreparedStatement s = c.prepareStatement("select pg_backend_pid(), ? * 2")) {
			for (int n = 0; n < 40; n++) {
				s.setInt(1, n);
				try (ResultSet r = s.executeQuery()) {
					check(r.next() && r.getInt(2) == 2 * n, "twice " + n);
					pids.add(r.getInt(1));
				}
			}
		}
		return pids;
	}

	// More than its cache holds: those that go are closed on the server.
	static List<Integer> small_cache() throws SQLException {
		try (Connection c = connect("preparedStatementCacheQueries", "4", "prepareThreshold", "1")) {
			for (int n = 0; n < 6; n++)
				for (int i = 0; i < 10; i++)
					try (PreparedStatement s = c.prepareStatement("select ? + " + i)) {
						s.setInt(1, n);
						try (ResultSet r = s.executeQuery()) {
							check(r.next() && r.getInt(1) == n + i, "sum");
						}
					}
		}
		return null;
	}

	static List<Integer> transactions() throws SQLException {
		try (Connection c = connect()) {
			run(c, "create table account(id int primary key, sum int)");
			c.setAutoCommit(false);
			try (PreparedStatement s = c.prepareStatement("insert into account values (?, ?)")) {
				for (int n = 0; n < 15; n++) {
					String first = ask(c, "select pg_backend_pid()");
					s.setInt(1, n);
					s.setInt(2, n);
					s.executeUpdate();
					Savepoint point = c.setSavepoint();
					run(c, "update account set sum = -1");
					c.rollback(point);
					check(first.equals(ask(c, "select pg_backend_pid()")), "another server");
					c.commit();
				}
				s.setInt(1, 100);
				s.executeUpdate();
				c.rollback();
			}
			check("105".equals(ask(c, "select sum(sum) from account")), "sum");
			c.commit();
		}
		return null;
	}

	static List<Integer> errors() throws SQLException {
		try (Connection c = connect();
		     PreparedStatement insert = c.prepareStatement("insert into account values (?, 0)");
		     PreparedStatement divide = c.prepareStatement("select 10 / ?")) {
			for (int n = 0; n < 15; n++) {
				insert.setInt(1, n);
				refused("23505", insert::executeUpdate);
				divide.setInt(1, 0);
				refused("22012", divide::executeQuery);
				c.setAutoCommit(false);
				refused("22012", divide::executeQuery);
				refused("25P02", insert::executeUpdate);
				c.rollback();
				c.setAutoCommit(true);
				divide.setInt(1, 2);
				try (ResultSet r = divide.executeQuery()) {
					check(r.next() && r.getInt(1) == 5, "divided");
				}
			}
		}
		return null;
	}

	static List<Integer> batches() throws SQLException {
		try (Connection c = connect();
		     PreparedStatement s = c.prepareStatement("insert into account values (?, 0)")) {
			for (int batch = 0; batch < 8; batch++) {
				for (int n = 0; n < 300; n++) {
					s.setInt(1, 1000 + batch * 300 + n);
					s.addBatch();
				}
				check(s.executeBatch().length == 300, "batch");
			}
			s.setInt(1, 90000);
			s.addBatch();
			s.setInt(1, 1000);
			s.addBatch();
			try {
				s.executeBatch();
				throw new AssertionError("a duplicate was taken");
			} catch (BatchUpdateException e) {
				check("23505".equals(e.getSQLState()), e.getSQLState());
			}
			check("2400".equals(ask(c, "select count(*) from account where id >= 1000")), "count");
		}
		return null;
	}

	static List<Integer> generated_keys() throws SQLException {
		try (Connection c = connect()) {
			run(c, "create table keyed(id serial primary key, n int)");
			for (int n = 1; n <= 12; n++)
				try (PreparedStatement s = c.prepareStatement("insert into keyed(n) values (?)",
						Statement.RETURN_GENERATED_KEYS)) {
					s.setInt(1, n);
					s.executeUpdate();
					try (ResultSet r = s.getGeneratedKeys()) {
						check(r.next() && r.getInt(1) == n, "key");
					}
				}
		}
		return null;
	}

	static List<Integer> fetch_size() throws SQLException {
		try (Connection c = connect()) {
			c.setAutoCommit(false);
			try (PreparedStatement s = c.prepareStatement("select generate_series(1, ?)")) {
				for (int i = 0; i < 8; i++) {
					s.setFetchSize(50);
					s.setInt(1, 300);
					long sum = 0;
					try (ResultSet r = s.executeQuery()) {
						while (r.next())
							sum += r.getInt(1);
					}
					check(sum == 45150, "sum");
					c.commit();
				}
			}
		}
		return null;
	}

	static List<Integer> settings() throws SQLException {
		try (Connection c = connect("options", "-c statement_timeout=12345", "currentSchema", "public")) {
			for (int n = 0; n < 10; n++)
				check("12345ms".equals(ask(c, "show statement_timeout")), "timeout");
			run(c, "set time zone 'Asia/Tokyo'");
			for (int n = 0; n < 10; n++)
				check("Asia/Tokyo".equals(ask(c, "show timezone")), "zone");
			run(c, "reset statement_timeout");
			for (int n = 0; n < 10; n++)
				check("12345ms".equals(ask(c, "show statement_timeout")), "timeout after reset");
			c.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
			c.setReadOnly(true);
			c.setAutoCommit(false);
			for (int n = 0; n < 10; n++) {
				check("serializable".equals(ask(c, "show transaction_isolation")), "isolation");
				check("on".equals(ask(c, "show transaction_read_only")), "read only");
				c.commit();
			}
		}
		return null;
	}

	static List<Integer> functions() throws SQLException {
		try (Connection c = connect()) {
			run(c, "create function twice(n int) returns int language sql as 'select n * 2'");
			try (CallableStatement s = c.prepareCall("{? = call twice(?)}")) {
				for (int n = 0; n < 12; n++) {
					s.registerOutParameter(1, Types.INTEGER);
					s.setInt(2, n);
					s.execute();
					check(s.getInt(1) == 2 * n, "twice");
				}
			}
		}
		return null;
	}

	static List<Integer> copies() throws Exception {
		try (Connection c = connect()) {
			StringBuilder lines = new StringBuilder();
			for (int n = 0; n < 500; n++)
				lines.append(50000 + n).append("\t0\n");
			long rows = c.unwrap(PGConnection.class).getCopyAPI()
				.copyIn("copy account from stdin", new StringReader(lines.toString()));
			check(rows == 500, "rows");
		}
		return null;
	}

	static List<Integer> notifications() throws SQLException {
		try (Connection listener = connect(); Connection c = connect()) {
			run(listener, "listen news");
			for (int n = 0; n < 10; n++)
				run(c, "select pg_notify('news', 'item " + n + "')");
			PGConnection own = listener.unwrap(PGConnection.class);
			List<String> heard = new ArrayList<>();
			for (long end = System.currentTimeMillis() + 20000; heard.size() < 10;) {
				check(System.currentTimeMillis() < end, "only " + heard);
				PGNotification[] some = own.getNotifications(1000);
				for (int i = 0; some != null && i < some.length; i++)
					heard.add(some[i].getParameter());
			}
			for (int n = 0; n < 10; n++)
				check(heard.get(n).equals("item " + n), heard.toString());
		}
		return null;
	}

	public static void main(String[] a) {
		url = "jdbc:postgresql://" + a[0] + ":" + a[1] + "/" + a[2] + "?sslmode=disable";
		user = a[3];
		step("prepared", () -> prepared());
		step("prepared_at_once", () -> prepared("prepareThreshold", "1"));
		step("prepared_never", () -> prepared("prepareThreshold", "0"));
		step("prepared_without_binary", () -> prepared("binaryTransfer", "false"));
		step("simple_queries", () -> prepared("preferQueryMode", "simple"));
		step("small_cache", Jdbc::small_cache);
		step("transactions", Jdbc::transactions);
		step("errors", Jdbc::errors);
		step("batches", Jdbc::batches);
		step("generated_keys", Jdbc::generated_keys);
		step("fetch_size", Jdbc::fetch_size);
		step("settings", Jdbc::settings);
		step("functions", Jdbc::functions);
		step("copies", Jdbc::copies);
		step("notifications", Jdbc::notifications);
		System.exit(failed > 0 ? 1 : 0);
	}
}
