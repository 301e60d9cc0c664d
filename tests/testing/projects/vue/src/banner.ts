import { useFlag } from "flagwire/vue";
import { defineComponent, h } from "vue";

export const Banner = defineComponent(() => {
  const shown = useFlag("show-banner", false);
  return () => (shown.value ? h("p", "Sale") : null);
});
