import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.harness.cf.client.api.BaseConfig;
import io.harness.cf.client.api.CfClient;
import io.harness.cf.client.connector.HarnessConfig;
import io.harness.cf.client.connector.HarnessConnector;
import io.harness.cf.client.dto.Target;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/** A back end with the published Java SDK: prints every flag's value for every target, as one line of JSON. */
public final class Evaluate {
    public static void main(String[] args) throws Exception {
        JsonObject cases = JsonParser.parseString(Files.readString(Path.of(args[2]))).getAsJsonObject();
        HarnessConfig urls = HarnessConfig.builder().configUrl(args[0]).eventUrl(args[0]).build();
        BaseConfig config = BaseConfig.builder().analyticsEnabled(false).streamEnabled(false).build();
        CfClient client = new CfClient(new HarnessConnector(args[1], urls), config);
        client.waitForInitialization();
        JsonObject served = new JsonObject();
        JsonArray flags = cases.getAsJsonArray("flags");
        for (JsonElement one : cases.getAsJsonArray("targets")) {
            JsonObject given = one.getAsJsonObject();
            Map<String, Object> attributes = new HashMap<>();
            given.getAsJsonObject("attributes").entrySet().forEach(entry -> attributes.put(entry.getKey(), entry.getValue().getAsString()));
            String identifier = given.get("identifier").getAsString();
            Target target = Target.builder().identifier(identifier).name(given.get("name").getAsString()).attributes(attributes).build();
            JsonObject values = new JsonObject();
            for (JsonElement flag : flags) {
                String name = flag.getAsJsonObject().get("feature").getAsString();
                values.addProperty(name, value(client, name, flag.getAsJsonObject().get("kind").getAsString(), target));
            }
            served.add(identifier, values);
        }
        System.out.println(served);
        System.out.flush();
        // Its threads would go on asking for changes.
        Runtime.getRuntime().halt(0);
    }

    private static String value(CfClient client, String flag, String kind, Target target) {
        switch (kind) {
            case "boolean": return String.valueOf(client.boolVariation(flag, target, false));
            case "int": return String.valueOf(client.numberVariation(flag, target, -1));
            case "json": return client.jsonVariation(flag, target, new JsonObject()).toString();
            default: return client.stringVariation(flag, target, "none");
        }
    }
}
