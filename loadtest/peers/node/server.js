// The comparison server: the official Socket.IO for Node with its default options.
// Environment: PORT, JWT_SECRET, and REDIS_URL for one of several workers.
"use strict";

const { createServer } = require("node:http");
const { createAdapter } = require("@socket.io/redis-adapter");
const jwt = require("jsonwebtoken");
const { createClient } = require("redis");
const { Server } = require("socket.io");

const secret = process.env.JWT_SECRET;
const http = createServer();
// perMessageDeflate is off by default since Socket.IO 3; it is written out because it decides the comparison.
const io = new Server(http, { perMessageDeflate: false });

io.use((socket, next) => {
  jwt.verify(socket.handshake.auth.token, secret, { algorithms: ["HS256"] }, (error, claims) => {
    if (error) return next(new Error("unauthorized"));
    socket.data.subject = claims.sub;
    return next();
  });
});

io.on("connection", (socket) => {
  socket.on("join-room", (argument, acknowledge) => {
    const roomId = typeof argument === "string" ? argument : argument.roomId;
    socket.join(roomId);
    acknowledge?.({ data: { roomId } });
  });
  socket.on("bike-update", (data, acknowledge) => {
    socket.to(data.roomId).emit("bike-updated", data);
    acknowledge?.({ data: { roomId: data.roomId } });
  });
});

const listen = () => http.listen(Number(process.env.PORT), "127.0.0.1");

// Several workers share a Redis, the way the adapter's documentation says.
if (process.env.REDIS_URL) {
  const publisher = createClient({ url: process.env.REDIS_URL });
  const subscriber = publisher.duplicate();
  Promise.all([publisher.connect(), subscriber.connect()]).then(() => {
    io.adapter(createAdapter(publisher, subscriber));
    listen();
  });
} else {
  listen();
}
process.on("SIGTERM", () => process.exit(0));
