import { Map } from "maplibre-gl";
import "maplibre-gl/dist/maplibre-gl.css";
new Map({ container: "map", style: { version: 8, sources: {}, layers: [] } });
