import { useFlag } from "flagwire/react";

export function Banner() {
  return useFlag("show-banner", false) ? <p>Sale</p> : null;
}
