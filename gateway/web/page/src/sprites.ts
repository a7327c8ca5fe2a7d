// The markers: a layer of MapLibre's that draws every bike as one point, and lets the graphics card do the gliding.
//
// A GeoJSON source would have to be cut into tiles anew for each frame in which something moves. Here a report costs
// eighty bytes, and a frame without reports costs nothing but its drawing: the shader knows the tracks (motion.ts).

import type { CustomLayerInterface, Map as MapLibreMap } from "maplibre-gl";
import type { Shown, Stage } from "./fleet.js";
import { placeOf } from "./mercator.js";
import { restsAtMs } from "./motion.js";
import { colorsOf, type Theme } from "./theme.js";
import type { Kind } from "./reading.js";

/** Where single bikes take the place of clusters. */
export const BIKES_FROM_ZOOM = 11.5;

const FLOATS = 20;
const BYTES = FLOATS * 4;
const FIRST_CAPACITY = 1_024;
// float32 counts the milliseconds of an hour well enough, and those of a week badly
const EPOCH_MS = 3_600_000;
const KINDS: Kind[] = ["riding", "parked", "reserved", "broken"];
const NO_HEADING = -1;
/** From so many bikes on, markers shrink with their number while one is far away. */
const CROWD = 1_000;
const LEAST_IN_A_CROWD = 0.62;

const VERTEX = `#version 300 es
precision highp float;
layout(location = 0) in vec4 from;   // place as sums of two floats each: x, y, and what is missing of them
layout(location = 1) in vec4 to;
layout(location = 2) in vec4 motion; // velocity in world widths per second, start and glide in seconds
layout(location = 3) in vec4 look;   // freeze in seconds, heading in radians or -1, kind, unused
layout(location = 4) in vec4 age;    // stale at, lost at, in seconds; is it selected; unused
uniform vec4 center;
uniform vec2 scale;                  // from world widths to clip space
uniform float now;
uniform float zoom;
uniform float ratio;
uniform float crowd;
uniform vec3 colors[4];
out vec3 color;
out float heading;
out float radius;
out float size;
out float staleness;
out float selected;

void main() {
  float ago = clamp(now - motion.z, 0.0, look.x);
  float share = motion.w > 0.0 ? min(ago / motion.w, 1.0) : 1.0;
  vec2 start = (from.xy - center.xy) + (from.zw - center.zw);
  vec2 end = (to.xy - center.xy) + (to.zw - center.zw) + motion.xy * ago;
  vec2 place = mix(start, end, share);
  place.x -= floor(place.x + 0.5);
  gl_Position = vec4(place * scale, 0.0, 1.0);
  staleness = (now > age.x ? 1.0 : 0.0) + (now > age.y ? 1.0 : 0.0);
  selected = age.z;
  heading = look.y;
  color = colors[int(look.z)];
  bool riding = look.z < 0.5;
  float grown = smoothstep(11.0, 17.0, zoom);
  radius = mix(riding ? 3.4 : 2.6, riding ? 8.5 : 7.0, grown) * mix(crowd, 1.0, grown) * (selected > 0.5 ? 1.25 : 1.0) * ratio;
  size = (radius * (selected > 0.5 ? 2.0 : 1.75) + 2.5 * ratio) * 2.0;
  gl_PointSize = size;
}`;

const FRAGMENT = `#version 300 es
precision highp float;
in vec3 color;
in float heading;
in float radius;
in float size;
in float staleness;
in float selected;
uniform float opacity;
uniform float ratio;
uniform vec3 halo;
uniform vec3 faded;
out vec4 result;

float disc(float distance) { return clamp(0.5 - distance, 0.0, 1.0); }

void main() {
  vec2 point = (gl_PointCoord - 0.5) * size;
  float body = length(point) - radius;
  if (heading >= 0.0) {
    // a beak that points where the bike goes
    vec2 ahead = vec2(sin(heading), -cos(heading));
    float along = dot(point, ahead);
    float aside = abs(dot(point, vec2(ahead.y, -ahead.x)));
    // two tangents that meet at 1.75 radii
    float beak = max(aside * 0.821 + along * 0.571 - radius, radius * 0.571 - along);
    body = min(body, beak);
  }
  float ring = 1.5 * ratio;
  float outer = disc(body - ring);
  float inner = disc(body);
  float fill = staleness < 0.5 ? 1.0 : staleness < 1.5 ? 0.25 : 0.0;
  vec3 paint = staleness < 0.5 ? color : mix(color, faded, staleness < 1.5 ? 0.35 : 1.0);
  // stale bikes are hollow: an outline in their colour
  float line = staleness < 0.5 ? 0.0 : inner * (1.0 - disc(body + ring * 1.2));
  float core = max(inner * fill, line);
  float shade = staleness < 1.5 ? outer : outer * 0.5;
  vec4 under = vec4(halo, 1.0) * shade * 0.92;
  vec4 over = vec4(paint, 1.0) * core;
  result = over + under * (1.0 - over.a);
  if (selected > 0.5) {
    float far = abs(length(point) - radius * 1.75) - 1.1 * ratio;
    result = mix(result, vec4(color, 1.0), disc(far));
  }
  result *= opacity;
}`;

export class Sprites implements CustomLayerInterface, Stage {
  readonly id = "bikes";
  readonly type = "custom" as const;
  private readonly slots = new Map<string, number>();
  private readonly bikes: Shown[] = [];
  private data = new Float32Array(FLOATS * FIRST_CAPACITY);
  private firstDirty = Infinity;
  private lastDirty = -1;
  private epochMs = performance.now();
  private restsAtMs = 0;
  private selectedId: string | undefined;
  private theme: Theme = "light";
  private map: MapLibreMap | undefined;
  private program: WebGLProgram | undefined;
  private buffer: WebGLBuffer | undefined;
  private vertices: WebGLVertexArrayObject | undefined;
  private capacityOnCard = 0;
  private uniforms: Record<string, WebGLUniformLocation | null> = {};

  // ---- Stage

  show(bike: Shown): void {
    let slot = this.slots.get(bike.id);
    if (slot === undefined) {
      slot = this.bikes.length;
      this.slots.set(bike.id, slot);
      if ((slot + 1) * FLOATS > this.data.length) this.grow();
    }
    this.bikes[slot] = bike;
    this.write(slot);
    this.restsAtMs = Math.max(this.restsAtMs, restsAtMs(bike.track));
    this.map?.triggerRepaint();
  }

  hide(id: string): void {
    const slot = this.slots.get(id);
    if (slot === undefined) return;
    this.slots.delete(id);
    const last = this.bikes.pop() as Shown;
    if (last.id !== id) {
      this.bikes[slot] = last;
      this.slots.set(last.id, slot);
      this.write(slot);
    }
    this.map?.triggerRepaint();
  }

  clear(): void {
    this.slots.clear();
    this.bikes.length = 0;
    this.map?.triggerRepaint();
  }

  // ---- looks

  select(id: string | undefined): void {
    const before = this.selectedId;
    this.selectedId = id;
    for (const each of [before, id]) {
      const slot = each === undefined ? undefined : this.slots.get(each);
      if (slot !== undefined) this.write(slot);
    }
    this.map?.triggerRepaint();
  }

  paint(theme: Theme): void {
    this.theme = theme;
    this.map?.triggerRepaint();
  }

  // ---- CustomLayerInterface

  onAdd(map: MapLibreMap, gl: WebGL2RenderingContext): void {
    this.map = map;
    const program = programOf(gl);
    this.program = program;
    this.uniforms = Object.fromEntries(
      ["center", "scale", "now", "zoom", "ratio", "colors", "opacity", "halo", "faded", "crowd"].map((name) => [
        name,
        gl.getUniformLocation(program, name),
      ]),
    );
    this.buffer = gl.createBuffer();
    this.vertices = gl.createVertexArray();
    gl.bindVertexArray(this.vertices);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffer);
    for (let index = 0; index < FLOATS / 4; index += 1) {
      gl.enableVertexAttribArray(index);
      gl.vertexAttribPointer(index, 4, gl.FLOAT, false, BYTES, index * 16);
    }
    gl.bindVertexArray(null);
    this.capacityOnCard = 0;
  }

  onRemove(): void {
    this.map = undefined;
  }

  render(gl: WebGL2RenderingContext): void {
    const { map, program, vertices, uniforms } = this;
    if (!map || !program || !vertices || this.bikes.length === 0) return;
    const zoom = map.getZoom();
    const opacity = Math.min(1, Math.max(0, (zoom - BIKES_FROM_ZOOM) * 4));
    if (opacity === 0) return;
    const nowMs = performance.now();
    if (nowMs - this.epochMs > EPOCH_MS) this.beginEpoch(nowMs);
    gl.bindVertexArray(vertices);
    this.upload(gl);
    gl.useProgram(program);
    const { lng, lat } = map.getCenter();
    const center = placeOf(lng, lat);
    const { clientWidth, clientHeight } = map.getCanvas();
    const worldPixels = 512 * 2 ** zoom;
    const colors = colorsOf(this.theme);
    gl.uniform4f(uniforms["center"]!, ...highAndLow(center.x, center.y));
    gl.uniform2f(uniforms["scale"]!, (2 * worldPixels) / clientWidth, (-2 * worldPixels) / clientHeight);
    gl.uniform1f(uniforms["now"]!, this.seconds(nowMs));
    gl.uniform1f(uniforms["zoom"]!, zoom);
    gl.uniform1f(uniforms["ratio"]!, map.getPixelRatio());
    gl.uniform1f(uniforms["crowd"]!, Math.max(LEAST_IN_A_CROWD, Math.min(1, Math.sqrt(CROWD / this.bikes.length))));
    gl.uniform1f(uniforms["opacity"]!, opacity);
    gl.uniform3fv(uniforms["colors"]!, KINDS.flatMap((kind) => rgbOf(colors[kind])));
    gl.uniform3fv(uniforms["halo"]!, rgbOf(colors.halo));
    gl.uniform3fv(uniforms["faded"]!, rgbOf(colors.faded));
    gl.drawArrays(gl.POINTS, 0, this.bikes.length);
    const selected = this.selectedId === undefined ? undefined : this.slots.get(this.selectedId);
    if (selected !== undefined) gl.drawArrays(gl.POINTS, selected, 1); // once more, above the others
    gl.bindVertexArray(null);
    if (nowMs < this.restsAtMs) map.triggerRepaint();
  }

  // ---- the buffer

  private write(slot: number): void {
    const bike = this.bikes[slot] as Shown;
    const { track } = bike;
    const heading = bike.heading === undefined ? NO_HEADING : (bike.heading * Math.PI) / 180;
    const isSelected = bike.id === this.selectedId;
    const { freshMs, lostMs } = bike.freshness;
    this.data.set(highAndLow(track.from.x, track.from.y), slot * FLOATS);
    this.data.set(highAndLow(track.to.x, track.to.y), slot * FLOATS + 4);
    this.data.set(
      [
        track.velocity.x * 1_000,
        track.velocity.y * 1_000,
        this.seconds(track.startMs),
        track.glideMs / 1_000,
        track.freezeMs / 1_000,
        heading,
        KINDS.indexOf(bike.kind),
        0,
        this.seconds(bike.seenAtMs + freshMs),
        this.seconds(bike.seenAtMs + lostMs),
        isSelected ? 1 : 0,
      ],
      slot * FLOATS + 8,
    );
    this.firstDirty = Math.min(this.firstDirty, slot);
    this.lastDirty = Math.max(this.lastDirty, slot);
  }

  private upload(gl: WebGL2RenderingContext): void {
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffer ?? null);
    if (this.capacityOnCard !== this.data.length) {
      gl.bufferData(gl.ARRAY_BUFFER, this.data, gl.DYNAMIC_DRAW);
      this.capacityOnCard = this.data.length;
    } else if (this.lastDirty >= this.firstDirty) {
      const first = this.firstDirty * FLOATS;
      const length = Math.min(this.lastDirty + 1, this.bikes.length) * FLOATS - first;
      if (length > 0) gl.bufferSubData(gl.ARRAY_BUFFER, first * 4, this.data, first, length);
    }
    this.firstDirty = Infinity;
    this.lastDirty = -1;
  }

  private grow(): void {
    const larger = new Float32Array(this.data.length * 2);
    larger.set(this.data);
    this.data = larger;
  }

  private beginEpoch(nowMs: number): void {
    this.epochMs = nowMs;
    for (let slot = 0; slot < this.bikes.length; slot += 1) this.write(slot);
  }

  private seconds(ms: number): number {
    return (ms - this.epochMs) / 1_000;
  }
}

/** Two float32 for each number: alone, one is right to two meters. */
function highAndLow(x: number, y: number): [number, number, number, number] {
  const highX = Math.fround(x);
  const highY = Math.fround(y);
  return [highX, highY, x - highX, y - highY];
}

function rgbOf(hex: string): [number, number, number] {
  const number = Number.parseInt(hex.slice(1), 16);
  return [(number >> 16) / 255, ((number >> 8) & 255) / 255, (number & 255) / 255];
}

function programOf(gl: WebGL2RenderingContext): WebGLProgram {
  const program = gl.createProgram();
  for (const [type, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ] as const) {
    const shader = gl.createShader(type) as WebGLShader;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
    throw new Error(`the markers cannot be drawn: ${gl.getProgramInfoLog(program)}`);
  }
  return program;
}
