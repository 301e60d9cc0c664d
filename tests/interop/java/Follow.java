import io.harness.cf.client.api.BaseConfig;
import io.harness.cf.client.api.CfClient;
import io.harness.cf.client.connector.HarnessConfig;
import io.harness.cf.client.connector.HarnessConnector;
import io.harness.cf.client.dto.Target;

/** A back end with the published Java SDK: prints the value of one flag whenever it is another one. */
public final class Follow {
    public static void main(String[] args) throws Exception {
        HarnessConfig urls = HarnessConfig.builder().configUrl(args[0]).eventUrl(args[0]).build();
        BaseConfig config = BaseConfig.builder().analyticsEnabled(false).build();
        CfClient client = new CfClient(new HarnessConnector(args[1], urls), config);
        client.waitForInitialization();
        Target target = Target.builder().identifier("user-42").name("Ada").build();
        String last = null;
        while (true) {
            String value = client.stringVariation("theme", target, "default");
            if (!value.equals(last)) {
                System.out.println("theme " + value);
                last = value;
            }
            Thread.sleep(20);
        }
    }
}
