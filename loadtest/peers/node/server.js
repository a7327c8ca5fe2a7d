// The comparison server: the official Socket.IO for Node with its default options.
// Environment: PORT, JWT_SECRET.
"use strict";

const { createServer } = require("node:http");
const jwt = require("jsonwebtoken");
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

http.listen(Number(process.env.PORT), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
