// Web Mercator, in units of the world's width: x from west to east, y from north to south, both from 0 to 1.

export interface Place {
  x: number;
  y: number;
}

const EQUATOR_METERS = 40_075_016.68;

export function placeOf(lon: number, lat: number): Place {
  const sine = Math.sin((lat * Math.PI) / 180);
  return { x: lon / 360 + 0.5, y: 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI) };
}

export function lonOf(x: number): number {
  return (x - 0.5) * 360;
}

export function latOf(y: number): number {
  return (Math.atan(Math.sinh((0.5 - y) * 2 * Math.PI)) * 180) / Math.PI;
}

/** How long a meter is at that y. */
export function perMeter(y: number): number {
  return Math.cosh((0.5 - y) * 2 * Math.PI) / EQUATOR_METERS;
}
