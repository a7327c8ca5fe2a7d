// Dark or light: what the reader's system prefers, unless the reader has said otherwise here.

import { keep, kept } from "./memory.js";

export type Theme = "dark" | "light";

export interface Colors {
  water: string;
  land: string;
  coast: string;
  border: string;
  grid: string;
  ink: string;
  quiet: string;
  halo: string;
  faded: string;
  riding: string;
  parked: string;
  reserved: string;
  broken: string;
  cluster: string;
  clusterInk: string;
  station: string;
  stationRim: string;
}

/** The four kinds differ for colour-blind readers too (after Okabe and Ito). style.css repeats those of the legend. */
const COLORS: Record<Theme, Colors> = {
  light: {
    water: "#dbe5ea",
    land: "#f6f4ef",
    coast: "#b9c6cc",
    border: "#dcd6ca",
    grid: "#e9e5db",
    ink: "#1d2731",
    quiet: "#6b7680",
    halo: "#ffffff",
    faded: "#8b949c",
    riding: "#1668b8",
    parked: "#14866d",
    reserved: "#c87f0a",
    broken: "#b8452f",
    cluster: "#2a3b4a",
    clusterInk: "#ffffff",
    station: "#ffffff",
    stationRim: "#cfd6da",
  },
  dark: {
    water: "#0e151b",
    land: "#17212a",
    coast: "#2b3a46",
    border: "#27343f",
    grid: "#1e2a34",
    ink: "#e8eef3",
    quiet: "#93a1ad",
    halo: "#0e151b",
    faded: "#74818c",
    riding: "#5cb3f5",
    parked: "#35c59f",
    reserved: "#f2b23e",
    broken: "#f0795b",
    cluster: "#d7e2ea",
    clusterInk: "#12191f",
    station: "#1d2933",
    stationRim: "#3c4c59",
  },
};

const NAME = "theme";
const prefersDark = matchMedia("(prefers-color-scheme: dark)");

export function colorsOf(theme: Theme): Colors {
  return COLORS[theme];
}

export class ThemeSwitch {
  private chosen = stored();
  private readonly onChange: (theme: Theme) => void;

  constructor(button: HTMLButtonElement, onChange: (theme: Theme) => void) {
    this.onChange = onChange;
    button.addEventListener("click", () => {
      this.chosen = this.theme === "dark" ? "light" : "dark";
      keep("localStorage", NAME, this.chosen);
      this.apply();
    });
    prefersDark.addEventListener("change", () => this.apply());
  }

  get theme(): Theme {
    return this.chosen ?? (prefersDark.matches ? "dark" : "light");
  }

  private apply(): void {
    document.documentElement.dataset["theme"] = this.theme;
    this.onChange(this.theme);
  }
}

// at once: what the page waits for first must not be waited for in the wrong colours
document.documentElement.dataset["theme"] = stored() ?? (prefersDark.matches ? "dark" : "light");

function stored(): Theme | undefined {
  const value = kept("localStorage", NAME);
  return value === "dark" || value === "light" ? value : undefined;
}
