// SPDX-License-Identifier: GPL-2.0-only
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Provider;
import java.security.Security;
import java.security.Signature;
import java.util.Arrays;
import java.util.Collections;

/**
 * A program in Java that signs: it answers "time sign 1 TIMES" as call.c does.
 * It takes the first slot whose token has a key with a certificate: SunPKCS11
 * finds a slot by its place in the list, not by the token's label.
 *
 * usage: Sign MODULE LABEL PIN &lt;COMMANDS
 */
final class Sign {
	private static final int BATCHES = 21;	// bench.h
	private static final int SLOTS = 16;

	private static Signature signature;
	private static final byte[] DIGEST = Arrays.copyOf("to be signed".getBytes(), 32);

	private static boolean found(String module, int slot, char[] pin) {
		try {
			Provider provider = Security.getProvider("SunPKCS11").configure(
				"--name=bench" + slot + "\nlibrary=" + module +
				"\nslotListIndex=" + slot);
			KeyStore store = KeyStore.getInstance("PKCS11", provider);

			store.load(null, pin);
			for (String alias : Collections.list(store.aliases())) {
				if (!store.isKeyEntry(alias))
					continue;
				signature = Signature.getInstance("NONEwithECDSA", provider);
				signature.initSign((PrivateKey)store.getKey(alias, null));
				return true;
			}
		} catch (Exception e) {
			// No slot there, no token in it, or another token than ours.
		}
		return false;
	}

	private static long batch(int times) throws Exception {
		long start = System.nanoTime();

		for (int i = 0; i < times; i++) {
			signature.update(DIGEST);
			signature.sign();
		}
		return System.nanoTime() - start;
	}

	public static void main(String[] args) throws Exception {
		BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
		int slot = 0;

		while (!found(args[0], slot, args[2].toCharArray()))
			if (++slot == SLOTS)
				throw new Exception("no token has a key with a certificate");
		System.out.println("ready");
		for (String line; (line = in.readLine()) != null; ) {
			int times = Integer.parseInt(line.substring(line.lastIndexOf(' ') + 1));
			long[] batches = new long[BATCHES];

			for (int i = 0; i < BATCHES; i++)
				batches[i] = batch(times);
			Arrays.sort(batches);
			System.out.println((double)batches[BATCHES / 2] / times);
		}
	}
}
