package dev.tandem.trust;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.InetAddress;
import java.net.UnknownHostException;
import org.junit.jupiter.api.Test;

class AddressListTest {
    @Test
    void shouldHoldAddressesAndBlocks() throws UnknownHostException {
        AddressList list = AddressList.parse("10.1.0.7, 10.2.0.0/15 fd00::/8");
        assertThat(list.contains(InetAddress.getByName("10.1.0.7"))).isTrue();
        assertThat(list.contains(InetAddress.getByName("10.1.0.8"))).isFalse();
        assertThat(list.contains(InetAddress.getByName("10.3.255.1"))).isTrue();
        assertThat(list.contains(InetAddress.getByName("10.4.0.1"))).isFalse();
        assertThat(list.contains(InetAddress.getByName("fd12::1"))).isTrue();
        assertThat(list.contains(InetAddress.getByName("fe12::1"))).isFalse();
    }

    @Test
    void shouldHoldNobodyWhenEmpty() throws UnknownHostException {
        assertThat(AddressList.parse(" ").contains(InetAddress.getByName("127.0.0.1")))
                .isFalse();
    }

    @Test
    void shouldRefuseNamesAndOddBlocks() {
        assertThatThrownBy(() -> AddressList.parse("example.org"))
                .hasMessageContaining("example.org is not an address");
        assertThatThrownBy(() -> AddressList.parse("10.0.0.0/33")).hasMessageContaining("0 to 32 are allowed");
        assertThatThrownBy(() -> AddressList.parse("10.0.0.0/x")).hasMessageContaining("10.0.0.0/x is not an address");
    }
}
