import DefaultTheme from "vitepress/theme";
import { defineAsyncComponent, h } from "vue";
import HeroPicture from "../../components/HeroPicture.vue";
import Release from "../../components/Release.vue";
import Sizes from "../../components/Sizes.vue";
import "./style.css";

/** @type {import("vitepress").Theme} */
export default {
  extends: DefaultTheme,
  Layout: () => h(DefaultTheme.Layout, null, { "home-hero-image": () => h(HeroPicture) }),
  enhanceApp({ app }) {
    app.component("Release", Release);
    app.component("Sizes", Sizes);
    app.component("Playground", defineAsyncComponent(() => import("../../components/Playground.vue")));
  },
};
