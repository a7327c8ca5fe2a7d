import io.socket.client.Ack;
import io.socket.client.IO;
import io.socket.client.Socket;
import java.net.URI;
import java.util.Map;
import org.json.JSONObject;

/** Watches a room, and comes back after a gap with what it has missed: `java Watcher URL ROOM`. */
public class Watcher {
    private final String room;
    private final Socket socket;
    private String cursor;

    Watcher(String url, String room) {
        this.room = room;
        IO.Options options = new IO.Options();
        options.auth = Map.of("cursors", "true"); // and "token"
        options.reconnectionDelay = 500;
        options.reconnectionDelayMax = 10_000;
        socket = IO.socket(URI.create(url), options);
        socket.on(Socket.EVENT_CONNECT, args -> join());
        socket.on(Socket.EVENT_CONNECT_ERROR, args -> System.out.println("away"));
        socket.on(Socket.EVENT_DISCONNECT, args -> System.out.println("lost"));
        socket.on("bike-updated", args -> { System.out.println("moved " + args[0]); keep(args); });
        socket.on("bike-removed", args -> { System.out.println("removed " + args[0]); keep(args); });
        socket.on("room-reset", args -> { cursor = null; socket.disconnect(); socket.connect(); });
    }

    private void join() {
        JSONObject request = new JSONObject(cursor == null
            ? Map.of("roomId", room, "snapshot", true)
            : Map.of("roomId", room, "snapshot", true, "since", cursor));
        socket.emit("join-room", new Object[] {request}, (Ack) answers -> {
            JSONObject answer = (JSONObject) answers[0];
            JSONObject data = answer.optJSONObject("data");
            if (data == null) {
                System.out.println("refused " + answer);
            } else if (data.optBoolean("recovered")) {
                System.out.println("recovered " + data.optInt("missed")); // each missed event brings its own cursor
            } else {
                System.out.println("snapshot " + data.optJSONArray("snapshot"));
                cursor = data.optString("cursor");
            }
        });
    }

    private void keep(Object[] args) {
        if (args.length > 1) cursor = (String) args[1];
    }

    public static void main(String[] args) throws Exception {
        new Watcher(args[0], args[1]).socket.connect();
        while (System.in.read() >= 0) { } // until standard input ends
        System.exit(0);
    }
}
