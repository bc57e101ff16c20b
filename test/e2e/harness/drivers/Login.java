import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.logging.Level;
import java.util.logging.Logger;

/** Logs in with JDBC, once for every line of standard input: see ../drivers.py. */
public class Login {
	private static Map<String, String> words(String line) {
		Map<String, String> words = new HashMap<>();
		for (String word : line.split("&")) {
			String[] pair = word.split("=", 2);
			words.put(pair[0], URLDecoder.decode(pair[1], StandardCharsets.UTF_8));
		}
		return words;
	}

	private static void put(Properties p, String name, String value) {
		if (value != null)
			p.setProperty(name, value);
	}

	private static String login(Map<String, String> c) {
		Properties p = new Properties();
		put(p, "user", c.get("user"));
		put(p, "password", c.get("password"));
		put(p, "sslmode", c.getOrDefault("sslmode", "disable"));
		put(p, "sslrootcert", c.get("ca"));
		put(p, "sslcert", c.get("cert"));
		put(p, "sslkey", c.get("pk8"));
		put(p, "gssEncMode", "disable");
		put(p, "loginTimeout", "15");
		put(p, "prepareThreshold", "0");
		String url = "jdbc:postgresql://" + c.get("host") + ":" + c.get("port") + "/" + c.get("dbname");
		try (Connection connection = DriverManager.getConnection(url, p);
		     Statement statement = connection.createStatement();
		     ResultSet result = statement.executeQuery("select current_user")) {
			result.next();
			return "ok=" + encode(result.getString(1));
		} catch (SQLException e) {
			StringBuilder text = new StringBuilder();
			for (Throwable t = e; t != null; t = t.getCause())
				text.append(t.getMessage()).append("; ");
			String state = e.getSQLState() == null ? "" : e.getSQLState();
			return "sqlstate=" + encode(state) + "&text=" + encode(text.toString());
		}
	}

	private static String encode(String text) {
		return URLEncoder.encode(text == null ? "" : text, StandardCharsets.UTF_8);
	}

	public static void main(String[] args) throws Exception {
		Logger quiet = Logger.getLogger("org.postgresql"); // held, or it would be forgotten
		quiet.setLevel(Level.OFF);
		BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
		for (String line = in.readLine(); line != null; line = in.readLine()) {
			System.out.println(login(words(line)));
			System.out.flush();
		}
	}
}
